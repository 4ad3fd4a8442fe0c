"""Which members the converter gets as they were delivered, and which are written anew."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.frames import member_key
from schemas.dicom.sub_stacks import SubStack
from tasks.convert.source import PixelFacts

#: The converter keeps instance numbers as such.
_MAX_NUMBER = 2**31 - 1


def is_torn(stack: SubStack) -> bool:
    """Return whether slices of the stack carry series UIDs of their own."""
    return len({m.series_uid for m in stack.members}) > 1


def has_unusable_numbers(stack: SubStack) -> bool:
    """Return whether instance numbers of single-frame slices do not tell the slices apart.

    InstanceNumber (0020,0013) is of type 2: it may be empty, and exports number all slices
    alike. Where each slice has a place of its own nothing depends on it but the converter.
    """
    if any(m.frame_number is not None for m in stack.members) or len(stack.members) < 2:
        return False
    numbers = [m.instance_number for m in stack.members]
    usable = [n for n in numbers if n is not None and abs(n) <= _MAX_NUMBER]
    return len(set(usable)) < len(numbers)


def is_written_anew(m: InstanceFeatures, facts: Mapping[str, PixelFacts]) -> bool:
    """Return whether the converter cannot read what was delivered.

    It cuts a grid into tiles by itself, which the proof then holds against our own cut.
    """
    is_frame = m.frame_number is not None and m.grid_across is None
    return is_frame or facts[member_key(m)].deflated


def needs_rewriting(stack: SubStack, facts: Mapping[str, PixelFacts]) -> bool:
    """Return whether any file of a stack must be written anew for the converter."""
    return (
        is_torn(stack)
        or has_unusable_numbers(stack)
        or any(is_written_anew(m, facts) for m in stack.members)
    )
