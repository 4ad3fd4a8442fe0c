"""Private attributes: kept by creator, element, VR, VM and contract, at every depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from pydicom._private_dict import private_dictionaries

from schemas.dicom.charsets import decode_text
from schemas.dicom.elements import RawElement
from schemas.dicom.encode import OutElement
from tasks.deidentify.plan.actions import Context, ElementAction, lost_if_removed, removed, vr_of
from tasks.deidentify.rules.blobs import rebuild_blob
from tasks.deidentify.rules.contract import keep_words
from tasks.deidentify.rules.profile import PRIVATE_ONLY, Action, Option, PrivateRule
from tasks.deidentify.rules.values import keep_numbers, texts_of

_PRIVATE_CREATOR_FIRST, _PRIVATE_CREATOR_LAST = 0x10, 0xFF
#: Plans the items of a sequence by the rules of a place.
PlanItems = Callable[[RawElement, str, Context], ElementAction | None]


def plan_private(
    elements: Mapping[int, RawElement], context: Context, plan_items: PlanItems
) -> Iterator[ElementAction]:
    """Plan the private attributes of a data set or an item; original blocks are kept."""
    creators = private_creators(elements)
    kept_blocks: set[int] = set()
    for tag, element in elements.items():
        if element.group % 2 == 0 or tag in creators:
            continue
        action = plan_private_element(element, creators, context, plan_items)
        if action.out is not None:
            kept_blocks.add(_creator_tag(tag))
        yield action
    for tag, creator in creators.items():
        if tag in kept_blocks:
            out = OutElement(tag, "LO", creator.encode("ascii"))
            yield ElementAction(tag, Action.PRIVATE, Option.PRIVATE, out)
        else:
            yield removed(tag)


def plan_private_element(
    element: RawElement, creators: Mapping[int, str], context: Context, plan_items: PlanItems
) -> ElementAction:
    """Plan one private attribute by the creator of its block."""
    creator = creators.get(_creator_tag(element.tag), "")
    if (creator, element.group) not in context.profile.private:
        return removed(element.tag, lost=_lost_without_rule(element, creator, context))
    return _act_private(element, creator, context, plan_items)


def has_no_rule(tag: int, creators: Mapping[int, str], context: Context) -> bool:
    """Return whether the creator of a private attribute is known and none of its rules are."""
    creator = creators.get(_creator_tag(tag), "")
    ruled = (creator, tag >> 16) in context.profile.private
    return not ruled and creator in private_dictionaries


def _lost_without_rule(element: RawElement, creator: str, context: Context) -> str:
    """Return which deciding attribute an element is whose creator is missing or nobody's.

    Converters read private attributes by number alone; so a block that lost its creator
    still decides, for the vendor who uses the number.
    """
    if creator in private_dictionaries:
        return ""
    rows = context.deciding.without_creator(element.tag)
    meant = (lost_if_removed(element, r) for r in rows if context.vendor in (None, r.vendor))
    return next(filter(None, meant), "")


def private_creators(elements: Mapping[int, RawElement]) -> dict[int, str]:
    """Return the creators of the private blocks by the tag they stand at (PS3.5 7.8.1)."""
    return {
        tag: decode_text(e.value)
        for tag, e in elements.items()
        if tag >> 16 & 1 and is_creator(tag)
    }


def is_creator(tag: int) -> bool:
    """Return whether the tag is that of a private creator."""
    place = tag & 0xFFFF
    return bool(tag >> 16 & 1) and _PRIVATE_CREATOR_FIRST <= place <= _PRIVATE_CREATOR_LAST


def _creator_tag(tag: int) -> int:
    return tag >> 16 << 16 | (tag >> 8 & 0xFF)


def _act_private(
    element: RawElement, creator: str, context: Context, plan_items: PlanItems
) -> ElementAction:
    rule = context.profile.private.get((creator, element.group), {}).get(element.tag & 0xFF)
    done = None if rule is None else _kept(element, rule, context, plan_items)
    deciding = context.deciding.of_private(creator, element.tag)
    lost = lost_if_removed(element, deciding)
    return done or removed(element.tag, refused=rule is not None, lost=lost)


def _kept(
    element: RawElement, rule: PrivateRule, context: Context, plan_items: PlanItems
) -> ElementAction | None:
    contract = rule.contract
    if contract.is_of_numbers(rule.vr):
        return _private_numbers(element, rule, context)
    vr = vr_of(element, rule.vr)
    if vr is None:
        return None
    if contract.items_place is not None:
        planned = plan_items(element, contract.items_place or PRIVATE_ONLY, context)
        return planned and replace(planned, action=Action.PRIVATE, option=Option.PRIVATE)
    if contract.rebuilt_block is not None:
        block = context.profile.blobs[contract.rebuilt_block]
        rebuilt = rebuild_blob(contract.rebuilt_block, element.value, block)
        return _private_out(element, "OB", rebuilt) if rebuilt else None
    if not contract.accepts(vr, rule.vm, element.value, little=context.encoding.little):
        return None
    texts = texts_of(element.value)
    # The contract takes whole values: one with a part of the person's name in it does not stay.
    if contract.word_list is not None and any(
        keep_words(text, contract.word_list, context.own_name)[1] for text in texts
    ):
        return None
    return _private_out(element, vr, "\\".join(texts).encode("ascii"))


def _private_numbers(
    element: RawElement, rule: PrivateRule, context: Context
) -> ElementAction | None:
    kept = keep_numbers(element.vr, rule.vr, element.value, little=context.encoding.little)
    if kept is None or not rule.contract.accepts_as_numbers(rule.vm, kept.numbers):
        return None
    return _private_out(element, kept.vr, kept.value)


def _private_out(element: RawElement, vr: str, value: bytes) -> ElementAction:
    out = OutElement(element.tag, vr, value)
    return ElementAction(element.tag, Action.PRIVATE, Option.PRIVATE, out)
