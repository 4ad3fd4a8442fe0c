"""What a site file may say: every field checked, every refusal one plain sentence. Pure."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

#: Minute, hour, day of month, month, day of week: the least and greatest of each.
_CRON = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_CRON_PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")
_FIRST_APPROVAL = dt.date(2000, 1, 1)
_WEEK_MINUTES = 7 * 24 * 60
_MAX_DAYS = 366

Text = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^\S(.*\S)?$")]
Reference = Annotated[str, Field(max_length=300, pattern=r"^(\S(.*\S)?)?$")]

_MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": "is no field of a site file",
    "bool_type": "is neither true nor false",
    "int_type": "is not a whole number",
    "string_type": "is not text (put it in quotes)",
    "date_type": "is not a date (write 2026-03-01, without quotes)",
    "model_type": "is not a block of fields",
    "string_too_short": "is empty",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "begins or ends with a space",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
}


@cache
def _time_zones() -> frozenset[str]:
    """Return the names of all time zones; the library walks a folder tree for them."""
    return frozenset(zoneinfo.available_timezones())


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Schedule(_Block):
    """When a site's night runs: five cron fields, and the clock that they are read from."""

    cron: Text
    timezone: Text

    @field_validator("cron")
    @classmethod
    def _cron(cls, text: str) -> str:
        problem = cron_problem(text)
        if problem:
            raise ValueError(problem)
        return text

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, name: str) -> str:
        if name not in _time_zones():
            raise ValueError("is no time zone (e.g. Asia/Shanghai)")
        return name


class Expectation(_Block):
    """How often a site has agreed to deliver; without it nobody can be late."""

    every_days: Annotated[int, Field(ge=1, le=_MAX_DAYS)]
    grace_days: Annotated[int, Field(ge=0, le=_MAX_DAYS)] = 0
    since: dt.date


class SiteConfig(_Block):
    """One site that may deliver: what its file under `data_contracts/sites/` says.

    `ethics_ref` names the document that approves this site; without it and its date no batch
    is taken in (protocol: one approval is registered, none is assumed for the other hospitals).
    `amendment_ref` names the document that added a site which is not registered. `expected`
    says when a delivery is late; `ae_title` under which name its PACS sends, if it sends.
    """

    code: Text
    fictitious: bool
    name_en: Text
    name_zh: Text
    province_en: Text
    province_zh: Text
    level_zh: Text
    ethics_ref: Reference = ""
    ethics_date: dt.date | None = None
    ethics_reason: Text
    amendment_ref: Reference = ""
    patient_id_is_subject_no: bool
    quiet_minutes: Annotated[int, Field(ge=1, le=_WEEK_MINUTES)]
    schedule: Schedule | None = None
    expected: Expectation | None = None
    ae_title: Annotated[str, Field(pattern=r"^[A-Z0-9_-]{1,16}$")] | None = None


def cron_problem(text: str) -> str:
    """Return what is wrong with a cron line; "" when it can be kept."""
    fields = text.split()
    if len(fields) != len(_CRON):
        return f"has {len(fields)} fields and not minute, hour, day, month and weekday"
    for field, (name, least, greatest) in zip(fields, _CRON, strict=True):
        for part in field.split(","):
            match = _CRON_PART.fullmatch(part)
            numbers = [int(number) for number in match.groups()[:2] if number] if match else []
            if match is None or match[3] == "0" or numbers != sorted(numbers):
                return f"cannot be read as {name}: digits, *, -, / and commas are"
            if any(not least <= number <= greatest for number in numbers):
                return f"has a {name} that is not from {least} to {greatest}"
    return ""


def parse_site_file(text: str) -> tuple[SiteConfig | None, list[str]]:
    """Return what a site file says, or every reason why it cannot be used.

    Parameters
    ----------
    text : str
        YAML.

    Returns
    -------
    SiteConfig or None
        The file, if every field can be used.
    list of str
        One sentence for each field that cannot.
    """
    try:
        facts = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return None, [f"line {mark.line + 1} is no YAML" if mark else "the file is no YAML"]
    except ValueError:  # of the date reader
        return None, ["a date in the file is no day of the calendar"]
    if not isinstance(facts, Mapping):
        return None, ["the file is not a list of fields with their values"]
    try:
        return SiteConfig.model_validate(facts), []
    except ValidationError as error:
        return None, [_sentence(dict(one)) for one in error.errors(include_url=False)]


def _sentence(error: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "value_error":
        return f"{field} {error['ctx']['error']}"
    return f"{field} {_MESSAGES.get(error['type'], 'cannot be used')}"


def contradictions(
    site: SiteConfig, registered: Mapping[str, Mapping[str, str]], *, today: dt.date
) -> list[str]:
    """Return what a site file says against the registration record or against itself.

    Parameters
    ----------
    site : SiteConfig
        A file whose fields can be used.
    registered : mapping of site code to mapping
        The record: `name_en`, `name_zh`, `province_en`, `province_zh`, `level_zh` by code.
    today : date
        No approval is of a later day.
    """
    found = []
    record = registered.get(site.code)
    if record is not None:
        found += [
            f"{name} is not what sites.csv registers for {site.code}"
            for name, value in record.items()
            if getattr(site, name) != value
        ]
    if not site.fictitious:
        if re.match(r"(?i)\s*(demo|test|dummy|fictitious|example)", site.ethics_ref):
            found.append("ethics_ref is a reference of the demo, not the approval of a hospital")
        if re.search(r"(?i)fictitious|虚构", site.ethics_reason):
            found.append("ethics_reason still says that the site is fictitious")
    if site.ethics_date is not None and not _FIRST_APPROVAL <= site.ethics_date <= today:
        found.append(f"ethics_date is not from {_FIRST_APPROVAL} to today")
    if site.ethics_ref and site.ethics_date is None:
        found.append("ethics_date is missing beside ethics_ref")
    return found
