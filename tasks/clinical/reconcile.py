"""Rows in force held against each other and against the images; nothing is mended here."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from schemas.clinical_rows import ClinicalRow
from schemas.finding_texts import make_finding
from schemas.identifiers import SiteCode
from schemas.partial_dates import PartialDate
from schemas.records import Finding
from tasks.clinical.form_contracts import read_form_contracts

BIRTH_DATE = "birth_date"
_RUNNING_NUMBER = re.compile(r"(?P<prefix>.*?)(?P<number>\d+)", re.ASCII | re.DOTALL)
_Problem = tuple[str, str, str, str]  # rule, form, column, expected


def check_rows(
    rows: Iterable[ClinicalRow], erased: Mapping[SiteCode, Collection[str]] | None = None
) -> list[Finding]:
    """Return findings about rows of one subject, or one screening log, that cannot all be true.

    Parameters
    ----------
    rows : iterable of ClinicalRow
        The rows in force, with real dates.
    erased : mapping of site to str, optional
        Screening numbers of erased persons: they are missing on purpose.
    """
    of_subject: dict[tuple[str, str], list[ClinicalRow]] = defaultdict(list)
    logs: dict[SiteCode, list[ClinicalRow]] = defaultdict(list)
    for row in rows:
        if row.enrolled:
            of_subject[row.site, row.subject_id].append(row)
        if row.form == "screening_log":
            logs[row.site].append(row)
    found: list[Finding] = []
    for (site, subject_id), own in sorted(of_subject.items()):
        problems = {*_before_birth(own), *_out_of_order(own), *_unknown_lesions(own)}
        if site in logs and not any(row.form == "screening_log" for row in own):
            problems.add(("CLIN_NOT_SCREENED", "screening_log", "", ""))
        found += [_finding(site, subject_id, *problem) for problem in sorted(problems)]
    return [*found, *_screening_gaps(logs, erased or {})]


def check_sexes(
    rows: Iterable[ClinicalRow], sexes_of: Mapping[str, Collection[str]]
) -> list[Finding]:
    """Return a finding for each subject whose images name another sex than the form.

    Parameters
    ----------
    rows : iterable of ClinicalRow
        The rows in force.
    sexes_of : mapping of subject_id to M, F
        What the headers of the subject's images say.
    """
    return [
        _finding(row.site, row.subject_id, "CLIN_SEX_DIFFERS", row.form, "sex", "PatientSex")
        for row in rows
        if row.form == "demographics"
        and (sex := row.text("sex")) in ("M", "F")
        and set(sexes_of.get(row.subject_id, ())) - {sex}
    ]


def _before_birth(rows: Iterable[ClinicalRow]) -> Iterator[_Problem]:
    own = list(rows)
    births = [birth for row in own if (birth := row.date(BIRTH_DATE)) is not None]
    for row in own:
        for name, value in row.values.items():
            if name == BIRTH_DATE or not isinstance(value, PartialDate):
                continue
            if any(value.latest < birth.earliest for birth in births):
                yield "CLIN_BEFORE_BIRTH", row.form, name, ""


def _out_of_order(rows: Iterable[ClinicalRow]) -> Iterator[_Problem]:
    for row in rows:
        contract = read_form_contracts()[row.form]
        for first, second in contract.order:
            earlier, later = row.date(first), row.date(second)
            if earlier and later and earlier.earliest > later.latest:
                yield "CLIN_OUT_OF_ORDER", row.form, first, contract.field(second).header.zh


def _unknown_lesions(rows: Iterable[ClinicalRow]) -> Iterator[_Problem]:
    own = list(rows)
    known = {row.number("lesion_no") for row in own if row.form == "diagnosis"}
    for row in own:
        number = row.number("lesion_no")
        if known and number is not None and number not in known:
            yield "CLIN_LESION_UNKNOWN", row.form, "lesion_no", ""


def _screening_gaps(
    logs: Mapping[SiteCode, Iterable[ClinicalRow]], erased: Mapping[SiteCode, Collection[str]]
) -> list[Finding]:
    found = []
    for site, rows in sorted(logs.items()):
        numbers: dict[str, set[int]] = defaultdict(set)
        for text in (*(row.key[0] for row in rows), *erased.get(site, ())):
            match = _RUNNING_NUMBER.fullmatch(text)
            if match is not None:
                numbers[match["prefix"]].add(int(match["number"]))
        skipped = sum(max(of) - min(of) + 1 - len(of) for of in numbers.values())
        if skipped:
            found.append(
                make_finding(
                    "site_delivery",
                    "CLIN_SCREENING_GAP",
                    site,
                    object_type="form",
                    object_id="screening_log",
                    form="screening_log",
                    observed=str(skipped),
                    n=skipped,
                )
            )
    return found


def _finding(
    site: str, subject_id: str, rule: str, form: str, column: str, expected: str
) -> Finding:
    return make_finding(
        "site_delivery",
        rule,
        site,
        object_type="subject",
        object_id=subject_id,
        column=column,
        form=form,
        expected=expected,
    )
