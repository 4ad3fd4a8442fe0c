"""Decide, element by element, what an object may keep: a pure plan, nothing written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from schemas.dicom.charsets import decode_text
from schemas.dicom.deciding_attributes import Decides, DecidingAttribute, load_deciding_attributes
from schemas.dicom.descriptors import clean_descriptor, decode_descriptor
from schemas.dicom.elements import Header, RawElement, by_tag_once, scan_items
from schemas.dicom.encode import OutElement
from schemas.dicom.feature_values import vendor_of
from schemas.study_dates import load_study_dates
from tasks.deidentify.plan.actions import (
    Context,
    Day,
    ElementAction,
    Person,
    lost_if_removed,
    removed,
    vr_of,
)
from tasks.deidentify.plan.plan_private import has_no_rule, plan_private, plan_private_element
from tasks.deidentify.plan.stand_ins import (
    OTHER,
    is_multi_frame,
    keyed_code,
    keyed_value,
    known_codes,
    methods_before,
    refused,
    with_unknown,
)
from tasks.deidentify.rules.contract import keep_words, vm_allows, without_name
from tasks.deidentify.rules.profile import (
    ROOT,
    Action,
    Profile,
    Rule,
)
from tasks.deidentify.rules.values import (
    age_at,
    cap_age,
    date_of_datetime,
    is_registered_uid,
    keep_numbers,
    read_date,
    read_time,
    shift_date,
    shift_datetime,
    texts_of,
)

SPECIFIC_CHARACTER_SET = 0x00080005
STUDY_DATE, BIRTH_DATE, PATIENT_AGE = 0x00080020, 0x00100030, 0x00101010
STUDY_UID = 0x0020000D
MANUFACTURER = 0x00080070
_FUNCTIONAL_GROUPS = "FunctionalGroups"
_LONGEST_TEXT = {"SH": 16, "LO": 64}
_LONGEST_UID = 128
#: The word list of attributes whose values mean something by their place.
_POSITIONAL = "image_type"
#: PatientName, OtherPatientNames, PatientBirthName.
PERSON_NAMES = (0x00100010, 0x00101001, 0x00101005)
#: A part of a name is no single letter and no number: those say nothing alone.
_NAME_PARTS = re.compile(r"[^\W\d_]{2,}")
_ALWAYS = (Action.EMPTY, Action.PSEUDONYM, Action.STUDY)


def context_of(header: Header, profile: Profile, person: Person) -> Context:
    """Return what the decisions about an object depend on beside the element.

    Parameters
    ----------
    header : Header
        The scanned object.
    profile : Profile
        The allow-list; an element without a rule is removed.
    person : Person
        Pseudonym, date shift and UID map of the person.
    """
    charset = decode_text(header.get(SPECIFIC_CHARACTER_SET))
    vendor = vendor_of(decode_text(header.get(MANUFACTURER)))
    return Context(
        profile,
        person,
        header.encoding,
        charset,
        vendor,
        is_multi_frame(header),
        load_deciding_attributes(),
        _name_in(header, charset),
    )


def _name_in(header: Header, charset: str) -> frozenset[str]:
    """Return the parts of the person's names that an object states, in capitals."""
    stated = (decode_text(header.get(tag), charset) for tag in PERSON_NAMES)
    return frozenset(part for name in stated for part in _NAME_PARTS.findall(name.upper()))


def plan_actions(header: Header, context: Context) -> list[ElementAction]:
    """Plan the whole data set: one action per element found, and those always written.

    Returns
    -------
    list of ElementAction
        In tag order. Of attributes of action `fixed` only what stood before is in it: `rebuild`
        writes them.
    """
    rules = context.profile.rules[ROOT]
    actions = _plan_elements(header.elements, ROOT, context)
    for rule in rules.values():
        if rule.action in _ALWAYS:
            actions[rule.tag] = _written(rule, _always(rule, header, context.person))
    if context.multi_frame:
        actions = with_unknown(actions.values(), header)
    stated = actions.get(PATIENT_AGE)
    if PATIENT_AGE in rules and (stated is None or stated.out is None):
        age = _age_from_birth(header)
        if age is not None:
            actions[PATIENT_AGE] = _written(rules[PATIENT_AGE], age.encode("ascii"))
    return [actions[tag] for tag in sorted(actions)]


def _plan_elements(
    elements: Mapping[int, RawElement], place: str, context: Context
) -> dict[int, ElementAction]:
    """Plan a data set or an item: public attributes by place, private ones by creator."""
    actions: dict[int, ElementAction] = {}
    for tag, element in elements.items():
        if tag >> 16 & 1 == 0:
            actions[tag] = _plan_public(element, place, context)
    return actions | {a.tag: a for a in plan_private(elements, context, _plan_all_items)}


def _plan_public(element: RawElement, place: str, context: Context) -> ElementAction:
    rule = context.profile.rules.get(place, {}).get(element.tag)
    deciding = _deciding(element, place, context, has_rule=rule is not None)
    if rule is None and deciding is None:
        return removed(element.tag)
    return _act(element, rule, deciding, context)


def _deciding(
    element: RawElement, place: str, context: Context, *, has_rule: bool
) -> DecidingAttribute | None:
    """Return what an element would decide at its place.

    Whose an object is stands in the data set itself. Vendors' frames repeat much of it that
    nobody reads there: without a rule such an element decides nothing.
    """
    found = context.deciding.of_public(element.tag)
    if found is None or place == ROOT:
        return found
    read_here = has_rule or place.startswith(_FUNCTIONAL_GROUPS)
    return found if read_here and found.decides is not Decides.OBJECT else None


def plan_element(
    element: RawElement, creators: Mapping[int, str], context: Context
) -> ElementAction:
    """Plan one top-level element alone, given the private creators of the data set."""
    if element.group % 2:
        return plan_private_element(element, creators, context, _plan_all_items)
    return _plan_public(element, ROOT, context)


def is_removed_unread(tag: int, creators: Mapping[int, str], context: Context) -> bool:
    """Return whether a top-level element is removed whatever it holds, with no loss to tell."""
    if tag >> 16 & 1:
        return has_no_rule(tag, creators, context)
    return tag not in context.profile.rules[ROOT] and context.deciding.of_public(tag) is None


def _written(rule: Rule, value: bytes, *, vr: str = "", dropped: int = 0) -> ElementAction:
    out = OutElement(rule.tag, vr or rule.vr, value)
    return ElementAction(rule.tag, rule.action, rule.option, out, dropped_words=dropped)


def _always(rule: Rule, header: Header, person: Person) -> bytes:
    if rule.action is Action.EMPTY:
        return b""
    if rule.action is Action.STUDY:
        study = decode_text(header.get(STUDY_UID))
        return keyed_code(person.map_uid, rule.keyword, study).encode("ascii") if study else b""
    # A name of one component is the retired form (PS3.5 6.2.1): the caret ends the family name.
    return f"{person.subject_id}{'^' if rule.vr == 'PN' else ''}".encode()


def _act(
    element: RawElement,
    rule: Rule | None,
    deciding: DecidingAttribute | None,
    context: Context,
) -> ElementAction:
    done = None if rule is None else _kept(element, rule, context)
    if done is not None:
        return done
    lost = lost_if_removed(element, deciding)
    if rule is None:
        return removed(element.tag, lost=lost)
    return refused(element, rule, at_root=rule.where == ROOT, lost=lost)


def _kept(element: RawElement, rule: Rule, context: Context) -> ElementAction | None:
    # Numbers are read under whatever VR they come.
    of_numbers = rule.action is Action.KEEP and rule.contract.is_of_numbers(rule.vr)
    vr = rule.vr if of_numbers else vr_of(element, rule.vr)
    return None if vr is None else _ACTORS[rule.action](element, rule, vr, context)


def _keep(element: RawElement, rule: Rule, vr: str, context: Context) -> ElementAction | None:
    little = context.encoding.little
    if rule.contract.is_of_numbers(rule.vr):
        kept = keep_numbers(element.vr, rule.vr, element.value, little=little)
        if kept is None or not rule.contract.accepts_as_numbers(rule.vm, kept.numbers):
            return None
        return _written(rule, kept.value, vr=kept.vr)
    if not rule.contract.accepts(vr, rule.vm, element.value, little=little):
        return None
    if vr == "AT":
        return _written(rule, element.value, vr=vr)
    return _written(rule, "\\".join(texts_of(element.value)).encode("ascii"), vr=vr)


def _words(element: RawElement, rule: Rule, vr: str, context: Context) -> ElementAction | None:
    texts = texts_of(element.value)
    allowed = rule.contract.word_list
    if allowed is None or not vm_allows(rule.vm, max(len(texts), int(rule.vm[0]))):
        return None
    kept: list[str] = []
    dropped = 0
    for text in texts:
        words, missing = keep_words(text, allowed, context.own_name, kept)
        dropped += missing
        if words or (context.multi_frame and allowed.name == _POSITIONAL):
            kept.append(words or OTHER)
    return _written(rule, "\\".join(kept).encode("ascii"), dropped=dropped)


def _descriptor(element: RawElement, rule: Rule, vr: str, context: Context) -> ElementAction | None:
    raw = decode_descriptor(element.value, context.charset)
    if raw and rule.contract.accepts(vr, rule.vm, element.value, little=True):
        return _written(rule, raw.encode("ascii"))
    cleaned = clean_descriptor(without_name(raw, context.own_name))
    while len(cleaned) > _LONGEST_TEXT.get(rule.vr, 64):
        cleaned = cleaned.rpartition(" ")[0]
    dropped = max(0, len(raw.split()) - len(cleaned.split()))
    return _written(rule, cleaned.encode(), dropped=dropped)


def _uid(element: RawElement, rule: Rule, vr: str, context: Context) -> ElementAction | None:
    texts = texts_of(element.value)
    if not vm_allows(rule.vm, len(texts)):
        return None
    # Nothing of the text stays, so one that is malformed or too long still tells alike apart.
    if not all(0 < len(t) <= _LONGEST_UID for t in texts):
        return None
    mapped = [t if is_registered_uid(t) else context.person.map_uid(t) for t in texts]
    return _written(rule, "\\".join(mapped).encode("ascii"))


def _date(element: RawElement, rule: Rule, vr: str, context: Context) -> ElementAction | None:
    texts = texts_of(element.value)
    if not texts:
        return _written(rule, b"")
    read, shift = read_date, shift_date
    if rule.vr == "DT":
        read, shift = date_of_datetime, shift_datetime
    real = read(texts[0]) if len(texts) == 1 else None
    # A constant that stands for no date would tell the shift, moved by it.
    if real is None or not load_study_dates().has(real):
        return None
    shifted = shift(texts[0], context.person.shift_days)
    if shifted is None:
        return None
    out = OutElement(rule.tag, rule.vr, shifted.encode("ascii"))
    return ElementAction(rule.tag, rule.action, rule.option, out, days=(Day((rule.tag,), real),))


def _time(element: RawElement, rule: Rule, vr: str, context: Context) -> ElementAction | None:
    texts = texts_of(element.value)
    times = [time for time in map(read_time, texts) if time is not None]
    if not vm_allows(rule.vm, len(texts)) or len(times) < len(texts):
        return None
    return _written(rule, "\\".join(times).encode("ascii"))


def _age(element: RawElement, rule: Rule, vr: str, context: Context) -> ElementAction | None:
    texts = texts_of(element.value)
    capped = cap_age(texts[0]) if len(texts) == 1 else None
    return _written(rule, capped.encode("ascii")) if capped else None


def _age_from_birth(header: Header) -> str | None:
    """Return the age at the study, for an object that states the birth date only."""
    birth, study = (read_date(decode_text(header.get(t))) for t in (BIRTH_DATE, STUDY_DATE))
    if birth is None or study is None or not load_study_dates().has(study):
        return None
    return age_at(birth, study)


def _sequence(element: RawElement, rule: Rule, vr: str, context: Context) -> ElementAction | None:
    whole = rule.contract.items_place is not None
    planned = _plan_items(element, rule.items_place, context, keep_empty=whole)
    return planned and replace(planned, action=rule.action, option=rule.option)


def _plan_items(
    element: RawElement, place: str, context: Context, *, keep_empty: bool
) -> ElementAction | None:
    """Plan the items of a sequence; None when the bytes do not hold items.

    Items stand for frames where `keep_empty` is set: dropping one would shift the others.
    """
    found = element.items if element.items is not None else scan_items(element.value)
    if found is None:
        return None
    items: list[tuple[OutElement, ...]] = []
    days: list[Day] = []
    nested: list[ElementAction] = []
    for item in found:
        acted = _plan_elements(by_tag_once(item), place, context)
        kept = tuple(a.out for a in acted.values() if a.out is not None)
        nested += acted.values()
        if kept or keep_empty:
            at = len(items)
            days += [
                Day((element.tag, at, *d.path), d.real) for a in acted.values() for d in a.days
            ]
            items.append(kept)
    out = OutElement(element.tag, "SQ", items=tuple(items))
    return ElementAction(
        element.tag, Action.SEQUENCE, None, out, days=tuple(days), nested=tuple(nested)
    )


def _plan_all_items(element: RawElement, place: str, context: Context) -> ElementAction | None:
    return _plan_items(element, place, context, keep_empty=True)


def _pixels(element: RawElement, rule: Rule, vr: str, context: Context) -> ElementAction | None:
    undefined = element.undefined_length
    out = OutElement(rule.tag, vr, element.value, undefined_length=undefined)
    return ElementAction(rule.tag, rule.action, rule.option, out)


def _keyed(element: RawElement, rule: Rule, vr: str, context: Context) -> ElementAction | None:
    return _written(rule, keyed_value(element, rule, context))


def _fixed(element: RawElement, rule: Rule, vr: str, context: Context) -> ElementAction | None:
    if rule.contract.word_list is None:
        return removed(element.tag)
    return _written(rule, methods_before(element, rule.contract.word_list))


def _overridden(element: RawElement, rule: Rule, vr: str, context: Context) -> ElementAction | None:
    """Say that it will be written whatever was delivered (see `plan_actions`)."""
    return _written(rule, b"")


_Actor = Callable[[RawElement, Rule, str, Context], ElementAction | None]
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
    Action.STUDY: _overridden,
    Action.KEYED: _keyed,
    Action.CODE: lambda element, rule, vr, context: known_codes(element, rule, context),
    Action.FIXED: _fixed,
}
