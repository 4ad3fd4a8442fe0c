"""What is alike all through a series, learned from one file and compared byte by byte.

The plain path (`objects`) decides every element of every file. Most elements are the same
bytes at the same place in all files of a series, so most of that work gives the same result
again. A `Template` keeps, from one file that went the plain path, those runs of bytes and
what became of them. A file follows it when each run is there byte by byte and the elements
between the runs have the same tags; then only those are planned, by the same rules. Whatever
else differs (person, shape, outcome of a rule, length of the pixels) and whatever is not
native pixels behind a preamble goes the plain path, which is the reference: both give the
same bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import NamedTuple

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from schemas.dicom.elements import (
    PIXEL_DATA,
    Encoding,
    Header,
    RawElement,
)
from schemas.dicom.encode import OutElement, element_parts, encode_start
from schemas.dicom.series_runs import Runs, bytes_by_tag, can_have_runs, runs_of, tags_of
from tasks.deidentify.plan.actions import Context, ElementAction
from tasks.deidentify.plan.admission import READ_BY_SERIES_CHECKS
from tasks.deidentify.plan.plan import (
    BIRTH_DATE,
    MANUFACTURER,
    PATIENT_AGE,
    SPECIFIC_CHARACTER_SET,
    STUDY_DATE,
    plan_element,
)
from tasks.deidentify.plan.plan_private import is_creator, private_creators
from tasks.deidentify.plan.rebuild import file_meta, out_elements
from tasks.deidentify.rules.profile import ROOT, Action, Profile, tag_of

_META_LENGTH, _META_SOP_UID, _META_SYNTAX = 0x00020000, 0x00020003, 0x00020010
#: Different in every file, whatever the series.
_NEVER_ALIKE = frozenset((_META_LENGTH, _META_SOP_UID, tag_of("SOPInstanceUID"), PIXEL_DATA))
#: What decisions about other elements depend on: a file in which one differs does not follow.
_ALWAYS_ALIKE = READ_BY_SERIES_CHECKS | {
    _META_SYNTAX,
    SPECIFIC_CHARACTER_SET,
    BIRTH_DATE,
    STUDY_DATE,
    PATIENT_AGE,
    MANUFACTURER,
    *(tag_of(k) for k in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")),
}
_DECIDED_BY_OTHERS = (Action.EMPTY, Action.PSEUDONYM, Action.FIXED)
_PER_FRAME_GROUPS, _UIH_GROUP, _UIH_FRAMES = 0x52009230, 0x0065, 0x51

Outcome = tuple[object, ...]


class Own(NamedTuple):
    """What became of the elements in which a file differs from its template."""

    actions: tuple[ElementAction, ...]
    parts: tuple[bytes, ...]
    pixels: bytes
    tags: frozenset[int]
    read_back: Dataset


@dataclass(frozen=True)
class Source:
    """A file that went the plain path, as a template learns from it (restricted)."""

    data: bytes = field(repr=False)
    header: Header = field(repr=False)
    context: Context = field(repr=False)
    actions: Sequence[ElementAction] = field(repr=False)


@dataclass(frozen=True)
class Template:
    """What a series has in common (restricted: holds its header)."""

    header: Header = field(repr=False)
    runs: Runs = field(repr=False)
    context: Context = field(repr=False)
    creators: Mapping[int, str] = field(repr=False)
    outcomes: Mapping[int, Outcome] = field(repr=False)
    body: tuple[bytes | int, ...] = field(repr=False)
    out: Mapping[int, OutElement] = field(repr=False)

    def is_same_series(self, source: Source) -> bool:
        """Return whether a file has the same tags, and alike what is alike in a series."""
        if self.context != source.context or self.runs.tags != tags_of(source.header):
            return False
        if self.header.transfer_syntax != source.header.transfer_syntax:
            return False
        changed = self.runs.changed(bytes_by_tag(source.data, source.header))
        return not any(_is_always_alike(t, self.context.profile) for t in changed)

    def header_with(self, elements: Mapping[int, RawElement]) -> Header:
        """Return the header of a file that follows."""
        known = self.header
        together = {**known.elements, **elements}
        return Header(known.transfer_syntax, known.encoding, together, known.meta)

    def plan(self, elements: Mapping[int, RawElement]) -> Own | None:
        """Plan the elements in which a file differs; None when a rule decides otherwise."""
        encoding = self.header.encoding
        actions = tuple(plan_element(e, self.creators, self.context) for e in elements.values())
        if any(outcome_of(a) != self.outcomes[a.tag] for a in actions):
            return None
        outs = {a.tag: a.out for a in actions if a.out is not None}
        written = {
            t: b"".join(element_parts(o, encoding)) for t, o in outs.items() if t != PIXEL_DATA
        }
        head, pixels = element_parts(outs[PIXEL_DATA], encoding)
        if head != self.body[-1]:
            return None
        start = encode_start(file_meta({**self.out, **outs}, self.header.transfer_syntax))
        body = (p if isinstance(p, bytes) else written[p] for p in self.body)
        return Own(actions, (start, *body, pixels), pixels, frozenset(written), self._read(written))

    def _read(self, written: Mapping[int, bytes]) -> Dataset:
        """Read back by pydicom what was written of the elements of the file's own."""
        encoding = self.header.encoding
        own = b"".join(written[tag] for tag in sorted(written))
        return read_dataset(BytesIO(own), not encoding.explicit, encoding.little, len(own))


def outcome_of(action: ElementAction) -> Outcome:
    """Return all of an action that counts, audit trail and marks are made of."""
    out = action.out
    return (
        action.tag,
        action.action,
        action.option,
        action.refused,
        action.lost,
        action.dropped_words,
        len(action.days),
        out is not None and (out.value != b"" or bool(out.items)),
        out is not None,
        *(outcome_of(a) for a in action.nested),
    )


def can_be_learned(source: Source) -> bool:
    """Return whether files like this one can be replayed: laid out for it, and one frame."""
    tags = tags_of(source.header)
    grid = any(t >> 16 == _UIH_GROUP and t & 0xFF == _UIH_FRAMES for t in tags)
    frames = grid or _PER_FRAME_GROUPS in tags
    return not frames and can_have_runs(source.data, source.header)


def learn(source: Source, known: Template | None, differing: Collection[int]) -> Template:
    """Make a template.

    Parameters
    ----------
    source : Source
        A file that `can_be_learned` from.
    known : Template, optional
        One of the same series, made from a file before.
    differing : collection of int
        Tags that differed within other series of this shape.
    """
    header = source.header
    by_tag = bytes_by_tag(source.data, header)
    changed = _NEVER_ALIKE | set(differing)
    if known is not None:
        changed |= known.runs.differing | known.runs.changed(by_tag)
    runs = runs_of(header, by_tag, changed)
    own = runs.differing
    out = out_elements(source.actions)
    elements = {t: e for t, e in header.elements.items() if t not in own}
    return Template(
        header=Header(header.transfer_syntax, header.encoding, elements, {}),
        runs=runs,
        context=source.context,
        creators=private_creators(elements),
        outcomes={a.tag: outcome_of(a) for a in source.actions if a.tag in own},
        body=_body(out, own, header.encoding),
        out={t: o for t, o in out.items() if t not in own},
    )


def _is_always_alike(tag: int, profile: Profile) -> bool:
    rule = profile.rules[ROOT].get(tag)
    decided = rule is not None and rule.action in _DECIDED_BY_OTHERS
    return decided or tag in _ALWAYS_ALIKE or is_creator(tag)


def _body(
    out: Mapping[int, OutElement], own: Collection[int], encoding: Encoding
) -> tuple[bytes | int, ...]:
    """Return the data set in tag order: runs of bytes, tags of what differs, the pixels' head."""
    body: list[bytes | int] = []
    run: list[bytes] = []
    for tag in sorted(out):
        if tag == PIXEL_DATA:
            break
        if tag in own:
            body += [b"".join(run), tag]
            run = []
        else:
            run += element_parts(out[tag], encoding)
    return (*body, b"".join(run), element_parts(out[PIXEL_DATA], encoding)[0])
