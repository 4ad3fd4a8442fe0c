"""Conditions on header values: closed ranges and sets of codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from schemas.dicom.features import InstanceFeatures
from schemas.errors import ContractError
from tasks.harmonise.acquisition import field_strength_t

Value = float | str | tuple[str, ...] | None


def _te_over_tr(facts: InstanceFeatures) -> float | None:
    if facts.echo_time_ms is None or not facts.repetition_time_ms:
        return None
    return facts.echo_time_ms / facts.repetition_time_ms


def _derivation(facts: InstanceFeatures) -> tuple[str, ...]:
    return facts.image_type if facts.image_type[:1] == ("DERIVED",) else ()


#: What a condition may ask for: the DICOM keyword that evidence names, and how it is read.
NUMERIC_FIELDS: Mapping[str, tuple[str, Callable[[InstanceFeatures], Value]]] = {
    "scanning_sequence": ("ScanningSequence", lambda f: f.scanning_sequence),
    "sequence_variant": ("SequenceVariant", lambda f: f.sequence_variant),
    "scan_options": ("ScanOptions", lambda f: f.scan_options),
    "image_type": ("ImageType", lambda f: f.image_type),
    "derivation": ("ImageType", _derivation),
    "body_part": ("BodyPartExamined", lambda f: f.body_part),
    "mr_acquisition_type": ("MRAcquisitionType", lambda f: f.mr_acquisition_type),
    "repetition_time_ms": ("RepetitionTime", lambda f: f.repetition_time_ms),
    "echo_time_ms": ("EchoTime", lambda f: f.echo_time_ms),
    "inversion_time_ms": ("InversionTime", lambda f: f.inversion_time_ms),
    "flip_angle_deg": ("FlipAngle", lambda f: f.flip_angle_deg),
    "echo_train_length": ("EchoTrainLength", lambda f: f.echo_train_length),
    "b_value": ("DiffusionBValue", lambda f: f.b_value),
    "field_strength_t": ("MagneticFieldStrength", field_strength_t),
    "te_over_tr": ("EchoTime/RepetitionTime", _te_over_tr),
}


@dataclass(frozen=True)
class Condition:
    """A closed range of a number, a set of codes of which one must be there, or absence."""

    name: str
    low: float | None = None
    high: float | None = None
    codes: frozenset[str] = frozenset()

    @property
    def keyword(self) -> str:
        """The DICOM keyword that the condition reads."""
        return NUMERIC_FIELDS[self.name][0]

    def described(self) -> str:
        """Return the condition in words."""
        if self.codes:
            return f"{self.keyword} has {' or '.join(sorted(self.codes))}"
        if self.low is None or self.high is None:
            return f"{self.keyword} absent"
        return f"{self.keyword} from {self.low:g} to {self.high:g}"

    def matched(self, facts: InstanceFeatures) -> str | None:
        """Return the value that fulfils the condition, or None when it does not hold."""
        value = NUMERIC_FIELDS[self.name][1](facts)
        if self.codes:
            present: Iterable[str] = (value,) if isinstance(value, str) else value or ()  # type: ignore[assignment]  # a code field holds no number
            found = sorted(self.codes.intersection(present))
            return found[0] if found else None
        if self.low is None or self.high is None:
            return "absent" if value is None else None
        if isinstance(value, int | float) and self.low <= value <= self.high:
            return f"{value:g}"
        return None


def parse_condition(name: str, wanted: object, where: str) -> Condition:
    """Return the condition a rule states.

    Raises
    ------
    ContractError
        When the field does not exist or the condition is neither a closed range, a list of
        codes nor the word `absent`.
    """
    if name not in NUMERIC_FIELDS:
        raise ContractError(f"an unknown header field `{name}`", where=where)
    if wanted == "absent":
        return Condition(name)
    if isinstance(wanted, list) and wanted:
        if all(isinstance(value, str) for value in wanted):
            return Condition(name, codes=frozenset(wanted))
        if len(wanted) == 2 and all(isinstance(value, int | float) for value in wanted):
            low, high = sorted(wanted)
            return Condition(name, low=float(low), high=float(high))
    raise ContractError(
        f"a condition on `{name}` in no known form",
        expected="[low, high], [CODE, ...] or absent",
        where=where,
    )
