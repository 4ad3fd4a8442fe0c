"""Values that go out as the very bytes they came in, told without planning them again.

Most of what differs between the slices of a series are numbers (position, instance, table, time of
echo) and times of day. Where one stands in DICOM's own form already, its rule keeps it and writes
it as it stands (`rules.values`): then head, length and padding are the same too. Whatever is not
certain to be so is planned by the rules, which are the reference the tests hold this against.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from schemas.dicom.encode import OutElement
from tasks.deidentify.identifiers import may_identify
from tasks.deidentify.plan.actions import Context, ElementAction
from tasks.deidentify.rules.profile import ROOT, Action, Rule

#: Says of a value field whether it goes out as it came.
Test = Callable[[bytes], bool]
_WHOLE, _DECIMAL = rb"[+-]?[0-9]{1,11}", rb"[+-]?[0-9]{1,9}(?:\.[0-9]{0,5})?"
#: Hours, minutes and seconds, each in its range.
_TIME = re.compile(
    rb"(?:[01][0-9]|2[0-3])(?:[0-5][0-9](?:(?:[0-5][0-9]|60)(?:\.[0-9]{1,6})?)?)?[ ]?"
)
#: Of values without blanks and of 16 characters at most (PS3.5 6.2), one blank of padding behind.
_FORMS = {
    vr: re.compile(rb"%s(?:\\%s)*[ ]?" % (one, one))
    for vr, one in (("IS", _WHOLE), ("DS", _DECIMAL))
}


def as_it_came(tag: int, vr: str | None, context: Context) -> Test | None:
    """Return what tells of a top-level element whether it goes out as it came; None if nothing can.

    Parameters
    ----------
    tag : int
    vr : str or None
        As it stands in the file.
    context : Context
        What decides beside the element.
    """
    rule = context.profile.rules[ROOT].get(tag)
    if rule is None or vr is None or vr not in rule.vr.split("|"):
        return None
    if not context.encoding.explicit or may_identify(tag, vr):
        return None
    if rule.action is Action.TIME and vr == "TM":
        return _is_time
    is_number = rule.action is Action.KEEP and rule.contract.is_of_numbers(rule.vr)
    form = _FORMS.get(vr)
    return _number_test(rule, form) if is_number and form is not None else None


def _is_time(value: bytes) -> bool:
    return len(value) % 2 == 0 and _TIME.fullmatch(value) is not None


def _number_test(rule: Rule, form: re.Pattern[bytes]) -> Test:
    contract, vm = rule.contract, rule.vm

    def test(value: bytes) -> bool:
        if form.fullmatch(value) is None or len(value) % 2:
            return False
        return contract.accepts_as_numbers(vm, tuple(map(float, value.split(b"\\"))))

    return test


def kept_as_it_came(tag: int, vr: str, context: Context) -> ElementAction:
    """Return what happens to such an element, whatever its value is."""
    rule = context.profile.rules[ROOT][tag]
    return ElementAction(tag, rule.action, rule.option, OutElement(tag, vr, b"0"))
