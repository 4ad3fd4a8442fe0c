"""What a plan is made of: one action per element, and whom it is planned for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache
from typing import NamedTuple

from schemas.dicom.deciding_attributes import DecidingAttribute, DecidingAttributes
from schemas.dicom.elements import Encoding, RawElement
from schemas.dicom.encode import OutElement
from schemas.identifiers import RawPatientId
from schemas.records import SubjectAssignment
from tasks.deidentify.rules.profile import Action, Option, Profile
from tasks.deidentify.rules.values import TEXT_VRS

#: Gives the subject of a raw PatientID, or None when no row links it.
Assign = Callable[[RawPatientId], SubjectAssignment | None]


@dataclass(frozen=True)
class Person:
    """Who the object belongs to, as the plan needs it (restricted: holds the date shift)."""

    subject_id: str
    shift_days: int = field(repr=False)
    map_uid: Callable[[str], str] = field(repr=False)


class Day(NamedTuple):
    """A real date (restricted) and where it stood: tags, with the number of the item between."""

    path: tuple[int, ...]
    real: date


@dataclass(frozen=True)
class ElementAction:
    """What happens to one element.

    `out` is what will be written, None when the element is removed. `refused` says that a
    rule exists and its contract was broken. `lost` is the keyword of an attribute that
    decides (`schemas.dicom.deciding_attributes`), had a value and is removed. `days` are the
    dates before the shift (restricted), for checking intervals on what was written. `nested`
    is what happens to the elements of a sequence's items.
    """

    tag: int
    action: Action
    option: Option | None = None
    out: OutElement | None = field(default=None, repr=False)
    refused: bool = False
    lost: str = ""
    dropped_words: int = 0
    days: tuple[Day, ...] = field(default=(), repr=False)
    nested: tuple[ElementAction, ...] = field(default=(), repr=False)

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """What was done here and below, as `TAG:action` and `TAG/TAG:action`."""
        at = f"{self.tag:08X}"
        here = f"{at}:{'refused' if self.refused else self.action}"
        return (here, *(f"{at}/{step}" for a in self.nested for step in a.steps))


@dataclass(frozen=True)
class Context:
    """What every decision of one object depends on (restricted)."""

    profile: Profile
    person: Person
    encoding: Encoding
    charset: str
    vendor: str | None
    multi_frame: bool
    deciding: DecidingAttributes = field(repr=False, compare=False)
    #: Parts of the person's names, in capitals.
    own_name: frozenset[str] = field(default=frozenset(), repr=False)


@lru_cache(maxsize=1 << 14)
def removed(tag: int, *, refused: bool = False, lost: str = "") -> ElementAction:
    """Return that an element is dropped; `refused` when its rule was broken."""
    return ElementAction(tag, Action.REMOVE, refused=refused, lost=lost)


def lost_if_removed(element: RawElement, deciding: DecidingAttribute | None) -> str:
    """Return the keyword of an attribute that decides something by this element, else nothing."""
    if deciding is None or not deciding.is_stated_by(element):
        return ""
    return deciding.keyword


def options_run(actions: Iterable[ElementAction]) -> frozenset[Option]:
    """Return the parts of PS3.15 annex E that really acted on this object."""
    acted = {
        a.option
        for a in every_action(actions)
        if a.option and a.out and (a.out.value or a.out.items)
    }
    return frozenset({Option.BASIC, *acted})


def every_action(actions: Iterable[ElementAction]) -> Iterator[ElementAction]:
    """Yield the actions at every depth."""
    for action in actions:
        yield action
        if action.nested:
            yield from every_action(action.nested)


def vr_of(element: RawElement, allowed: str) -> str | None:
    """Return the VR to read the value by, None when the file's own VR contradicts the rule."""
    names = allowed.split("|")
    if element.vr in names:
        return element.vr
    readable = element.vr in (None, "UN") or (element.vr in TEXT_VRS and names[0] in TEXT_VRS)
    return names[-1] if readable else None
