"""Decide, element by element, what an object may keep: a pure plan, nothing written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from schemas.charsets import decode_text
from schemas.descriptors import clean_descriptor, decode_descriptor
from tasks.deidentify.contract import keep_words, vm_allows
from tasks.deidentify.encode import OutElement
from tasks.deidentify.parse import Encoding, Header, RawElement
from tasks.deidentify.profile import ROOT, Action, Option, Profile, Rule
from tasks.deidentify.values import (
    TEXT_VRS,
    UID_FORM,
    age_at,
    cap_age,
    is_binary_number,
    is_registered_uid,
    is_time,
    read_date,
    shift_date,
    shift_datetime,
    texts_of,
)

SPECIFIC_CHARACTER_SET = 0x00080005
STUDY_DATE, BIRTH_DATE, PATIENT_AGE = 0x00080020, 0x00100030, 0x00101010
_LONGEST_TEXT = {"SH": 16, "LO": 64}
_PRIVATE_CREATOR_FIRST, _PRIVATE_CREATOR_LAST = 0x10, 0xFF
_UID_LENGTH = 64


@dataclass(frozen=True)
class Person:
    """Who the object belongs to, as the plan needs it (restricted: holds the date shift)."""

    subject_id: str
    shift_days: int = field(repr=False)
    map_uid: Callable[[str], str] = field(repr=False)


@dataclass(frozen=True)
class ElementAction:
    """What happens to one top-level element.

    `out` is what will be written, None when the element is removed. `refused` says that a
    rule exists and its contract was broken. `real_day` is the date before the shift
    (restricted), for checking intervals on what was written.
    """

    tag: int
    action: Action
    option: Option | None = None
    out: OutElement | None = field(default=None, repr=False)
    refused: bool = False
    dropped_words: int = 0
    real_day: date | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Context:
    profile: Profile
    person: Person
    encoding: Encoding
    charset: str


def plan_actions(header: Header, profile: Profile, person: Person) -> list[ElementAction]:
    """Plan the whole data set: one action per element found, and those always written.

    Parameters
    ----------
    header : Header
        The scanned object.
    profile : Profile
        The allow-list; an element without a rule is removed.
    person : Person
        Pseudonym, date shift and UID map of the person.

    Returns
    -------
    list of ElementAction
        In tag order. Attributes of action `fixed` are not in it: `rebuild` writes them.
    """
    charset = decode_text(header.get(SPECIFIC_CHARACTER_SET))
    context = _Context(profile, person, header.encoding, charset)
    rules = profile.rules[ROOT]
    actions: dict[int, ElementAction] = {}
    for tag, element in header.elements.items():
        if element.group % 2 == 0:
            rule = rules.get(tag)
            actions[tag] = _act(element, rule, context) if rule else _removed(tag)
    actions |= {a.tag: a for a in _plan_private(header, context)}
    for rule in rules.values():
        if rule.action in (Action.EMPTY, Action.PSEUDONYM):
            actions[rule.tag] = _written(rule, _always(rule, person))
    stated = actions.get(PATIENT_AGE)
    if PATIENT_AGE in rules and (stated is None or stated.out is None):
        age = _age_from_birth(header)
        if age is not None:
            actions[PATIENT_AGE] = _written(rules[PATIENT_AGE], age.encode("ascii"))
    return [actions[tag] for tag in sorted(actions)]


def options_run(actions: Iterable[ElementAction]) -> frozenset[Option]:
    """Return the parts of PS3.15 annex E that really acted on this object."""
    acted = {a.option for a in actions if a.option and a.out and (a.out.value or a.out.items)}
    return frozenset({Option.BASIC, *acted})


def _removed(tag: int, *, refused: bool = False) -> ElementAction:
    return ElementAction(tag, Action.REMOVE, refused=refused)


def _written(rule: Rule, value: bytes, *, vr: str = "", dropped: int = 0) -> ElementAction:
    out = OutElement(rule.tag, vr or rule.vr, value)
    return ElementAction(rule.tag, rule.action, rule.option, out, dropped_words=dropped)


def _always(rule: Rule, person: Person) -> bytes:
    return person.subject_id.encode() if rule.action is Action.PSEUDONYM else b""


def _act(element: RawElement, rule: Rule, context: _Context) -> ElementAction:
    vr = _vr_of(element, rule.vr)
    if vr is None:
        return _removed(element.tag, refused=True)
    done = _ACTORS[rule.action](element, rule, vr, context)
    return done or _removed(element.tag, refused=True)


def _vr_of(element: RawElement, allowed: str) -> str | None:
    """Return the VR to read the value by, None when the file's own VR contradicts the rule."""
    names = allowed.split("|")
    if element.vr in names:
        return element.vr
    readable = element.vr in (None, "UN") or (element.vr in TEXT_VRS and names[0] in TEXT_VRS)
    return names[-1] if readable else None


def _keep(element: RawElement, rule: Rule, vr: str, context: _Context) -> ElementAction | None:
    little = context.encoding.little
    if not rule.contract.accepts(vr, rule.vm, element.value, little=little):
        return None
    if is_binary_number(vr):
        return _written(rule, element.value, vr=vr)
    return _written(rule, "\\".join(texts_of(element.value)).encode("ascii"), vr=vr)


def _words(element: RawElement, rule: Rule, vr: str, context: _Context) -> ElementAction | None:
    texts = texts_of(element.value)
    allowed = rule.contract.word_list
    if allowed is None or not vm_allows(rule.vm, max(len(texts), int(rule.vm[0]))):
        return None
    kept, dropped = [], 0
    for text in texts:
        words, missing = keep_words(text, allowed)
        dropped += missing
        if words:
            kept.append(words)
    return _written(rule, "\\".join(kept).encode("ascii"), dropped=dropped)


def _descriptor(
    element: RawElement, rule: Rule, vr: str, context: _Context
) -> ElementAction | None:
    raw = decode_descriptor(element.value, context.charset)
    if raw and rule.contract.accepts(vr, rule.vm, element.value, little=True):
        return _written(rule, raw.encode("ascii"))
    cleaned = clean_descriptor(raw)
    while len(cleaned) > _LONGEST_TEXT.get(rule.vr, 64):
        cleaned = cleaned.rpartition(" ")[0]
    dropped = max(0, len(raw.split()) - len(cleaned.split()))
    return _written(rule, cleaned.encode(), dropped=dropped)


def _uid(element: RawElement, rule: Rule, vr: str, context: _Context) -> ElementAction | None:
    texts = texts_of(element.value)
    if not vm_allows(rule.vm, len(texts)):
        return None
    if not all(UID_FORM.fullmatch(t) and len(t) <= _UID_LENGTH for t in texts):
        return None
    mapped = [t if is_registered_uid(t) else context.person.map_uid(t) for t in texts]
    return _written(rule, "\\".join(mapped).encode("ascii"))


def _date(element: RawElement, rule: Rule, vr: str, context: _Context) -> ElementAction | None:
    texts = texts_of(element.value)
    if not texts:
        return _written(rule, b"")
    shift = shift_datetime if rule.vr == "DT" else shift_date
    shifted = shift(texts[0], context.person.shift_days) if len(texts) == 1 else None
    if shifted is None:
        return None
    out = OutElement(rule.tag, rule.vr, shifted.encode("ascii"))
    real = read_date(texts[0][:8] if rule.vr == "DT" else texts[0])
    return ElementAction(rule.tag, rule.action, rule.option, out, real_day=real)


def _time(element: RawElement, rule: Rule, vr: str, context: _Context) -> ElementAction | None:
    texts = texts_of(element.value)
    if not vm_allows(rule.vm, len(texts)) or not all(is_time(t) for t in texts):
        return None
    return _written(rule, "\\".join(texts).encode("ascii"))


def _age(element: RawElement, rule: Rule, vr: str, context: _Context) -> ElementAction | None:
    texts = texts_of(element.value)
    capped = cap_age(texts[0]) if len(texts) == 1 else None
    return _written(rule, capped.encode("ascii")) if capped else None


def _age_from_birth(header: Header) -> str | None:
    """Return the age at the study, for an object that states the birth date only."""
    birth, study = (read_date(decode_text(header.get(t))) for t in (BIRTH_DATE, STUDY_DATE))
    return age_at(birth, study) if birth and study else None


def _sequence(element: RawElement, rule: Rule, vr: str, context: _Context) -> ElementAction | None:
    if element.items is None:
        return None
    where = "/".join(filter(None, (rule.where, rule.keyword)))
    rules = context.profile.rules.get(where, {})
    items = []
    for item in element.items:
        acted = (_act(e, rules[e.tag], context) for e in item if e.tag in rules)
        kept = tuple(a.out for a in acted if a.out is not None)
        if kept:
            items.append(kept)
    out = OutElement(rule.tag, "SQ", items=tuple(items))
    return ElementAction(rule.tag, rule.action, rule.option, out)


def _pixels(element: RawElement, rule: Rule, vr: str, context: _Context) -> ElementAction | None:
    undefined = element.undefined_length
    out = OutElement(rule.tag, vr, element.value, undefined_length=undefined)
    return ElementAction(rule.tag, rule.action, rule.option, out)


def _overridden(
    element: RawElement, rule: Rule, vr: str, context: _Context
) -> ElementAction | None:
    return _written(rule, _always(rule, context.person))


_Actor = Callable[[RawElement, Rule, str, _Context], ElementAction | None]
_ACTORS: dict[Action, _Actor] = {
    Action.KEEP: _keep,
    Action.WORDS: _words,
    Action.DESCRIPTOR: _descriptor,
    Action.UID: _uid,
    Action.DATE: _date,
    Action.TIME: _time,
    Action.AGE: _age,
    Action.SEQUENCE: _sequence,
    Action.PIXELS: _pixels,
    Action.EMPTY: _overridden,
    Action.PSEUDONYM: _overridden,
    Action.FIXED: lambda element, rule, vr, context: _removed(element.tag),
}


def _plan_private(header: Header, context: _Context) -> Iterator[ElementAction]:
    creators = _private_creators(header)
    kept_blocks: set[int] = set()
    for tag, element in header.elements.items():
        if element.group % 2 == 0 or tag in creators:
            continue
        creator_tag = element.group << 16 | (tag >> 8 & 0xFF)
        action = _act_private(element, creators.get(creator_tag, ""), context)
        if action.out is not None:
            kept_blocks.add(creator_tag)
        yield action
    for tag, creator in creators.items():
        if tag in kept_blocks:
            out = OutElement(tag, "LO", creator.encode("ascii"))
            yield ElementAction(tag, Action.PRIVATE, Option.PRIVATE, out)
        else:
            yield _removed(tag)


def _private_creators(header: Header) -> dict[int, str]:
    return {
        tag: decode_text(element.value)
        for tag, element in header.elements.items()
        if element.group % 2 and _PRIVATE_CREATOR_FIRST <= tag & 0xFFFF <= _PRIVATE_CREATOR_LAST
    }


def _act_private(element: RawElement, creator: str, context: _Context) -> ElementAction:
    rule = context.profile.private.get((creator, element.group), {}).get(element.tag & 0xFF)
    vr = _vr_of(element, rule.vr) if rule else None
    if rule is None or vr is None:
        return _removed(element.tag, refused=rule is not None)
    little = context.encoding.little
    if not rule.contract.accepts(vr, rule.vm, element.value, little=little):
        return _removed(element.tag, refused=True)
    value = element.value
    if not is_binary_number(vr):
        value = "\\".join(texts_of(value)).encode("ascii")
    out = OutElement(element.tag, vr, value)
    return ElementAction(element.tag, Action.PRIVATE, Option.PRIVATE, out)
