"""What stands in place of a value that must not stay, where an object without one breaks DICOM.

A keyed code for what tells machines, coils and studies apart; an empty value where the standard
wants the attribute and lets it be empty (type 2); a word that says nothing where it does not
(type 1); of coded entries and of earlier methods only what a closed list has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage

from schemas.dicom.charsets import decode_text
from schemas.dicom.device_identity import METHOD
from schemas.dicom.elements import Header, RawElement, by_tag_once, scan_items
from schemas.dicom.encode import OutElement
from tasks.deidentify.plan.actions import Context, ElementAction, removed
from tasks.deidentify.rules.codes import find_code
from tasks.deidentify.rules.contract import WordList, keep_words
from tasks.deidentify.rules.profile import Action, Rule, tag_of
from tasks.deidentify.rules.values import texts_of

#: Stands for the method of another tool whose words are not known.
OTHER_METHOD = "another method; its words are not kept"
#: Stands for a value of type 1 of which no word may stay.
UNKNOWN = "UNKNOWN"
#: Stands for a value of ImageType that may not stay, so that those behind it keep their places.
OTHER = "OTHER"

_LETTERS = "BCDFGHJKLMNPQRST"
_CODE_BYTES = 8
_LONGEST_NAME = 16
#: Channels and elements of a coil need no more; a number of a person has more.
_MOST_DIGITS = 4
_CODE_VALUE, _SCHEME, _MEANING = (
    tag_of(k) for k in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
)
_SOP_CLASS = tag_of("SOPClassUID")
_MULTI_FRAME = frozenset({EnhancedCTImageStorage, EnhancedMRImageStorage})
#: Type 2 at the top of the CT and MR information objects (PS3.3 A.3, A.4, A.36, A.38): there
#: if delivered, and empty where the value broke its contract.
TYPE_2 = frozenset(
    tag_of(keyword)
    for keyword in (
        *("StudyDate", "StudyTime", "ContentDate", "ContentTime", "PatientSex", "Manufacturer"),
        *("SeriesNumber", "InstanceNumber", "AcquisitionNumber", "PatientPosition"),
        *("PositionReferenceIndicator", "SliceThickness", "KVP", "EchoTime", "EchoTrainLength"),
        *("RepetitionTime", "InversionTime", "MRAcquisitionType", "ScanOptions"),
        "ContrastBolusAgent",
    )
)
#: Type 1 in the enhanced information objects, and free text (PS3.3 C.7.5.2, C.8.13.3).
_TYPE_1_TEXT = frozenset(
    tag_of(keyword)
    for keyword in (
        "Manufacturer",
        "ManufacturerModelName",
        "SoftwareVersions",
        "PulseSequenceName",
    )
)


def keyed_code(map_uid: Callable[[str], str], kind: str, text: str) -> str:
    """Return sixteen letters that stand for a text under the project's key.

    Parameters
    ----------
    map_uid : callable
        The keyed map of UIDs: the code says as little of the text as the UID would.
    kind : str
        What the text is. Alike texts of other kinds have other codes; no UID has a `/`.

    Returns
    -------
    str
        64 bits in sixteen consonants: no digit that could be a number of a person, no vowel that
        could make a name, and no shorter word inside that would stand alone.
    """
    digest = hashlib.sha256(map_uid(f"{kind}/{text}").encode("ascii")).digest()[:_CODE_BYTES]
    return "".join(_LETTERS[byte >> 4] + _LETTERS[byte & 15] for byte in digest)


def keyed_value(element: RawElement, rule: Rule, context: Context) -> bytes:
    """Return a name of a device or coil: as it is where all of it is known, else its code.

    The code is of the site too: a machine stands in one hospital, and nothing is gained where
    two hospitals could be seen to share one.
    """
    text = decode_text(element.value, context.charset).strip()
    if not text:
        return b""
    if rule.contract.word_list is not None:
        kept, dropped = keep_words(text, rule.contract.word_list, context.own_name)
        few = sum(map(str.isdecimal, kept)) <= _MOST_DIGITS
        if dropped == 0 and few and 0 < len(kept) <= _LONGEST_NAME:
            return kept.encode("ascii")
    # Not by the attribute: one coil has one code, as receiver and as transmitter.
    kind = "CoilName" if "Coil" in rule.keyword else rule.keyword
    site = context.person.subject_id.partition("-")[0]
    return keyed_code(context.person.map_uid, f"{site}/{kind}", text).encode("ascii")


def known_codes(element: RawElement, rule: Rule, context: Context) -> ElementAction | None:
    """Keep the coded entries that the list of a rule has, each with the list's own meaning."""
    found = element.items if element.items is not None else scan_items(element.value)
    codes = context.profile.codes.get(rule.contract.code_list or "", {})
    items = []
    for item in found or ():
        values = {t: decode_text(e.value).strip() for t, e in by_tag_once(item).items()}
        code = find_code(codes, values.get(_SCHEME, ""), values.get(_CODE_VALUE, ""))
        if code is not None:
            items.append(_code_item(*code))
    if found is None or (found and not items):
        return None
    out = OutElement(rule.tag, "SQ", items=tuple(items))
    dropped = len(found or ()) - len(items)
    return ElementAction(rule.tag, Action.CODE, rule.option, out, dropped_words=dropped)


def _code_item(scheme: str, value: str, meaning: str) -> tuple[OutElement, ...]:
    return (
        OutElement(_CODE_VALUE, "SH", value.encode("ascii")),
        OutElement(_SCHEME, "SH", scheme.encode("ascii")),
        OutElement(_MEANING, "LO", meaning.encode("ascii")),
    )


def methods_before(element: RawElement, known: WordList | None) -> bytes:
    """Return the methods that an object already bears, as far as known, and ours behind them."""
    kept: list[str] = []
    for text in texts_of(element.value):
        method = text if known is not None and known.has(text) else OTHER_METHOD
        if text != METHOD and method not in kept:
            kept.append(method)
    return "\\".join((*kept, METHOD)).encode("ascii")


def is_multi_frame(header: Header) -> bool:
    """Return whether an object is of a class whose attributes are mostly of type 1."""
    return decode_text(header.get(_SOP_CLASS)) in _MULTI_FRAME


def with_unknown(actions: Iterable[ElementAction], header: Header) -> dict[int, ElementAction]:
    """Say `UNKNOWN` where an enhanced object needs a text and no word of it may stay."""
    return {a.tag: _or_unknown(a, header) for a in actions}


def _or_unknown(action: ElementAction, header: Header) -> ElementAction:
    lost = action.out is not None and not action.out.value and header.get(action.tag)
    if action.out is None or action.tag not in _TYPE_1_TEXT or not lost:
        return action
    return replace(action, out=replace(action.out, value=UNKNOWN.encode("ascii")))


def refused(element: RawElement, rule: Rule, *, at_root: bool, lost: str) -> ElementAction:
    """Return what becomes of a value that broke its contract: nothing, or an empty attribute."""
    if not at_root or rule.tag not in TYPE_2:
        return removed(element.tag, refused=True, lost=lost)
    out = OutElement(rule.tag, rule.vr.partition("|")[0])
    return ElementAction(rule.tag, Action.REMOVE, out=out, refused=True, lost=lost)
