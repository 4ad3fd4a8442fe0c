"""Facts about one subject and one criterion: the `inputs_json` of the facts format, typed.

An absent key or a null means not recorded. Anything that is not of the format is refused:
a misspelt key read as "not recorded" would be a silent loss of evidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from schemas.errors import BadInputError
from schemas.partial_dates import PartialDate
from schemas.protocol import CRITERION_IDS, read_evidence, read_protocol
from schemas.reference import ReferenceState

#: Said of an examination or a follow-up: the site confirms that there was none.
NONE = "none"
#: EDC codes for "nobody knows", "does not apply" and "not entered": all mean not recorded.
_NOT_RECORDED = ("", "UK", "NA", "unknown")
#: EDC code for "not done": a confirmed absence where a fact can have one.
_NOT_DONE = "ND"

_CODES: dict[str, tuple[str, ...]] = {
    "detected_by": ("US", "screening_CT", "MRI", "other"),
    "path": (NONE,),
    "prior_tx": ("yes", "no"),
    "iq": ("adequate", "limited", "inadequate"),
    "dx": ("malignant", "benign", "indeterminate"),
    "route": ("pathology", "followup", "imaging", "clinical", "adjudication"),
    "inflammatory": ("yes", "no"),
    "ref_state": tuple(ReferenceState),
}
_DATES = (
    "birth",
    "detected",
    "ct",
    "consent",
    "mri",
    "mri_later",
    "path_specimen",
    "path_report",
    "prior_tx_date",
)
_DATES_OR_NONE = ("dce", "eob", "fu")
_MAY_BE_NONE = (*_DATES_OR_NONE, "path")
_FLAGS = (
    "ct_received",
    "fu_closed",
    "fu_treated",
    "fu_concluded",
    "fu_natural",
    "eob_dynamic",
    "iq_disagree",
)
_THICKNESSES = ("t1_mm", "t2_mm")


class Facts:
    """Checked facts of one criterion, with typed access."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def date(self, key: str) -> PartialDate | None:
        """Return a date; None when not recorded or confirmed not done."""
        value = self._values.get(key)
        return value if isinstance(value, PartialDate) else None

    def is_none(self, key: str) -> bool:
        """Return whether the site confirms that there was none."""
        return self._values.get(key) == NONE

    def code(self, key: str) -> str | None:
        """Return a code."""
        value = self._values.get(key)
        return value if isinstance(value, str) else None

    def flag(self, key: str) -> bool | None:
        """Return yes, no, or None when not recorded."""
        value = self._values.get(key)
        return value if isinstance(value, bool) else None

    def number(self, key: str) -> float | None:
        """Return a number."""
        value = self._values.get(key)
        return value if isinstance(value, float) else None

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of names of facts."""
        value = self._values.get(key)
        return tuple(str(one) for one in value) if isinstance(value, tuple) else ()

    def numbers(self, key: str) -> tuple[float | None, ...]:
        """Return a list of numbers, with None for each member not recorded."""
        value = self._values.get(key)
        return value if isinstance(value, tuple) else ()


def parse_facts(criterion_id: str, raw: Mapping[str, object]) -> Facts:
    """Check and type the facts of one criterion; facts of other criteria are passed over.

    Parameters
    ----------
    criterion_id : str
        One of I1-I5, E1-E4.
    raw : mapping
        As in `inputs_json`; dates as ISO strings, lengths in mm, field strength in T.

    Raises
    ------
    BadInputError
        If the criterion or a key is unknown, or a value is not of the format; the message
        names the key, never the value.
    """
    if criterion_id not in CRITERION_IDS:
        raise BadInputError("unknown criterion", expected=", ".join(CRITERION_IDS))
    known = read_protocol().criterion(criterion_id).facts
    values: dict[str, object] = {}
    for key, value in raw.items():
        if key not in _PARSERS:
            raise BadInputError(
                f"criterion {criterion_id} has no such fact", expected=", ".join(known)
            )
        told = NONE if value == _NOT_DONE and key in _MAY_BE_NONE else value
        if key in known and told is not None and told not in (*_NOT_RECORDED, _NOT_DONE):
            values[key] = _PARSERS[key](key, told)
    return Facts(values)


def _parse_date(key: str, value: object) -> PartialDate:
    if isinstance(value, str):
        try:
            return PartialDate.parse_iso(value)
        except ValueError:
            pass
    raise BadInputError(f"{key} is not a date", expected="YYYY, YYYY-MM or YYYY-MM-DD")


def _parse_date_or_none(key: str, value: object) -> PartialDate | str:
    return NONE if value == NONE else _parse_date(key, value)


def _parse_code(key: str, value: object) -> str:
    if isinstance(value, str) and value in _CODES[key]:
        return value
    raise BadInputError(f"{key} has a value outside its list", expected=", ".join(_CODES[key]))


def _parse_flag(key: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise BadInputError(f"{key} is not true or false")


def _parse_number(key: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise BadInputError(f"{key} is not a number")


def _parse_numbers(key: str, value: object) -> tuple[float | None, ...]:
    if not isinstance(value, list | tuple):
        raise BadInputError(f"{key} is not a list of numbers")
    return tuple(None if member is None else _parse_number(key, member) for member in value)


def _parse_names(key: str, value: object) -> tuple[str, ...]:
    known = read_evidence()
    if isinstance(value, list | tuple) and all(name in known for name in value):
        return tuple(str(name) for name in value)
    raise BadInputError(f"{key} names what is no fact", expected=", ".join(sorted(known)))


_PARSERS: dict[str, Callable[[str, object], object]] = {
    **dict.fromkeys(_CODES, _parse_code),
    **dict.fromkeys(_DATES, _parse_date),
    **dict.fromkeys(_DATES_OR_NONE, _parse_date_or_none),
    **dict.fromkeys(_FLAGS, _parse_flag),
    **dict.fromkeys(_THICKNESSES, _parse_numbers),
    "ref_missing": _parse_names,
    "field_t": _parse_number,
    "ct_contrast_phases": _parse_number,
}
