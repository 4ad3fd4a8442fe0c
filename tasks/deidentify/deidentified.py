"""What a de-identified object is: its new bytes, and what later checks need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from pydicom.dataset import Dataset

from schemas.dicom.delivered_facts import DeliveredFacts
from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import Sha256, SopUid
from schemas.record_copies import Altered
from tasks.deidentify.identifiers import Identifier
from tasks.deidentify.plan.actions import ElementAction
from tasks.deidentify.rules.values import read_date


class NotAsPlannedError(Exception):
    """What was written does not say what the plan said; the object is held."""


@dataclass(frozen=True)
class DeidentifiedObject:
    """An object that passed (restricted: `days` and `identifiers` are of the source).

    `parts` are the new file, in order; the last is the pixels, not copied. `dropped` names the
    attributes that decide something (`schemas.dicom.deciding_attributes`), were delivered and
    are not kept, though others decide without them.
    """

    parts: tuple[bytes | memoryview, ...] = field(repr=False, compare=False)
    output_sha256: Sha256
    pixel_sha256: Sha256
    sop_uid: SopUid
    features: Altered[InstanceFeatures]
    facts: Altered[DeliveredFacts]
    counts: Mapping[str, int]
    trail: tuple[str, ...] = field(repr=False)
    options: tuple[str, ...]
    days: tuple[tuple[date, date], ...] = field(repr=False)
    identifiers: frozenset[Identifier] = field(repr=False)
    dropped: tuple[str, ...] = ()
    #: Of the file as it came, where it was hashed together with the others.
    source_sha256: Sha256 | None = field(default=None, compare=False)

    @property
    def output(self) -> bytes:
        """The new file."""
        return b"".join(self.parts)


def days_written(
    actions: Iterable[ElementAction], written: Dataset
) -> tuple[tuple[date, date], ...]:
    """Pair each real day with the day that now stands in its place, read back by pydicom.

    Raises
    ------
    NotAsPlannedError
        If no date stands there.
    """
    days = []
    for day in (day for action in actions for day in action.days):
        after = read_date(str(_value_at(written, day.path))[:8])
        if after is None:
            raise NotAsPlannedError("a date was not written as one")
        days.append((day.real, after))
    return tuple(days)


def _value_at(written: Dataset, path: tuple[int, ...]) -> object:
    """Return a value read back by pydicom: tags, with the number of the item between."""
    item: Dataset = written
    for tag, number in zip(path[:-1:2], path[1::2], strict=True):
        item = item[tag].value[number]
    return item[path[-1]].value
