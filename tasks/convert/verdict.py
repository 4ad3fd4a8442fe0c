"""A fault, and the verdict on a sub-stack that follows from its faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.dicom.sub_stacks import SubStack
from tasks.convert.codes import MENDED, REMARKS, Code, ConversionVerdict


@dataclass(frozen=True)
class Fault:
    """One code and the instances it is about (SOPInstanceUIDs)."""

    code: Code
    instances: tuple[str, ...] = ()


@dataclass(frozen=True)
class StackPlan:
    """One sub-stack and what speaks against converting it."""

    stack: SubStack
    faults: tuple[Fault, ...]

    @property
    def verdict(self) -> ConversionVerdict:
        """QUARANTINE when any fault keeps the volume back."""
        return verdict_of(fault.code for fault in self.faults)


def verdict_of(codes: Iterable[Code]) -> ConversionVerdict:
    """Return the verdict that follows from codes: the worst one wins."""
    found = set(codes) - REMARKS
    if not found:
        return ConversionVerdict.OK
    return ConversionVerdict.REPAIRABLE if found <= MENDED else ConversionVerdict.QUARANTINE
