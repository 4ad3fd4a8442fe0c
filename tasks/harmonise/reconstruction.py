"""What an image is a reconstruction of: original or computed, kernel, energy of a CT.

Only an original axial image with a soft-tissue kernel and a whole spectrum shows what the
protocol asks for. All others keep their label, and fill no slot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from schemas.dicom.features import InstanceFeatures
from schemas.errors import ContractError
from schemas.package_data import label_tables_root, reads_kept_tables
from schemas.rule_tables import Cells, TableShape, read_table
from tasks.harmonise.acquisition import is_original
from tasks.harmonise.exam_items import ExamItem
from tasks.harmonise.timeline import SAME_ACQUISITION_S

BODY, POLYENERGETIC = "body", "polyenergetic"
KERNEL_CLASSES = (BODY, "sharp", "lung", "bone")
_KERNELS = TableShape(("pattern", "kernel_class", "reason", "source"), key=("pattern",))

_MATERIAL_TYPES = frozenset(
    {
        "VNC", "IODINE", "MAT_SPECIFIC", "MAT_REMOVED", "MAT_FRACTIONAL", "MAT_MODIFIED",
        "MAT_VALUE_BASED", "EFF_ATOMIC_NUM", "ELECTRON_DENSITY",
    }
)  # fmt: skip
_MONO_TYPES = frozenset({"VMI", "MONO", "KEV", "MONOENERGETIC"})
_MATERIAL_WORDS = frozenset(
    {
        "iodine", "vnc", "virtual", "zeff", "electrondensity", "calcium",
        "虚拟平扫", "碘图", "碘基图", "碘密度图", "有效原子序数", "原子序数", "电子密度",
        "电子密度图", "钙图", "尿酸图", "物质分离", "物质密度", "水基图", "钙基图",
    }
)  # fmt: skip
_MONO_WORDS = frozenset(
    {
        "mono", "monoenergetic", "vmi", "单能", "单能量", "单能谱", "单能级", "最佳单能量",
        "虚拟单能量",
    }
)  # fmt: skip
_DUAL_WORDS = frozenset({"dualenergy"})
_KERNEL_WORDS = {
    "lung": {"lung", "lungs", "lungen", "poumon", "pluca", "肺窗", "肺算法", "肺", "肺野", "폐"},
    "bone": {"bone", "bones", "boneplus", "kosc", "kosci", "骨窗", "骨算法"},
}
_SOFT_WORDS = {
    "soft",
    "tissue",
    "softtissue",
    "软组织",
    "软组织窗",
    "腹窗",
    "std",
    "standard",
    "stnd",
}
_TEXT_KERNEL = re.compile(r"[bijdq][frvl]?\d{2}[fsh]?|fc\d\d")
_PARTS = re.compile(r"[ _]+")
_KILOVOLT = re.compile(r"(?:sn)?(\d{2,3})kv")
#: Tubes run dual energy with 70 to 100 kV beside 135 to 150 kV; 110 to 130 kV is neither.
_SAME_SPECTRUM_KV = 15.0
_LOW_KV, _HIGH_KV = (60.0, 105.0), (134.0, 160.0)


def kernel_class(facts: InstanceFeatures) -> str | None:
    """Return the class of a CT's kernel: of the header, else of the description; else None.

    Several values are a kernel and its strength, or the kernels of a combined image; the
    sharpest counts.
    """
    if facts.modality != "CT":
        return None
    found = {c for code in facts.convolution_kernel if (c := _class_of(code)) is not None}
    found = found or _kernel_of_words(facts.series_description)
    return max(found, key=KERNEL_CLASSES.index, default=None)


def kernel_class_of_words(words: str) -> str | None:
    """Return the class of the kernel that a cleaned description names."""
    return max(_kernel_of_words(words), key=KERNEL_CLASSES.index, default=None)


def _kernel_of_words(text: str) -> set[str]:
    words = set(text.split())
    found = {
        c
        for word in words
        if _TEXT_KERNEL.fullmatch(word) and (c := _class_of(word.upper())) is not None
    }
    named = {name for name, any_of in _KERNEL_WORDS.items() if words & any_of}
    return found or (set() if words & _SOFT_WORDS else named)


@lru_cache(maxsize=1024)
def _class_of(code: str) -> str | None:
    return next((c for pattern, c in read_kernels() if pattern.fullmatch(code.upper())), None)


@lru_cache(maxsize=1)
def read_kernels() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Read the patterns of kernel names and their classes in force, once."""
    path = label_tables_root() / "sequence_labels" / "kernels.csv"
    if reads_kept_tables() and not path.is_file():
        return ()  # tables of a version before 2.0.0, kept to compare with
    return read_kernel_table(path)


def read_kernel_table(path: Path) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Read a table of kernel names.

    Raises
    ------
    ContractError
        For a row that cannot be used; names file and line.
    """
    found = read_table(path, _KERNELS, _kernel)
    # Lung kernels of the newer Siemens scanners are numbered like others: the longest name first.
    return tuple(sorted(found, key=lambda entry: not entry[0].pattern.startswith("BL")))


def _kernel(row: Cells) -> tuple[re.Pattern[str], str]:
    if row["kernel_class"] not in KERNEL_CLASSES:
        raise ContractError("no such class of kernel", expected=", ".join(sorted(KERNEL_CLASSES)))
    try:
        return re.compile(row["pattern"]), row["kernel_class"]
    except re.error:
        raise ContractError("a pattern that cannot be used") from None


def energies(items: Iterable[ExamItem]) -> Mapping[tuple[str, str], str | None]:
    """Return what each CT of an exam shows of the spectrum: whole, one tube's, one energy's.

    A kilovoltage alone tells nothing, in the header or in the name: slim patients are scanned at
    80 kV. Two of them in one acquisition are the two spectra of a dual-energy scan, and so are the
    letter of a tube and a tin filter beside it; the mixed image has neither.
    """
    every = [item for item in items if item.facts.modality == "CT"]
    return {item.key: _energy(item, every) for item in every}


def _energy(item: ExamItem, items: Sequence[ExamItem]) -> str | None:
    facts, words = item.facts, set(item.facts.series_description.split())
    types = {part for value in facts.image_type for part in (value, *_PARTS.split(value))}
    if types & _MATERIAL_TYPES or words & _MATERIAL_WORDS:
        return "material"
    kev = any(word.endswith("kev") for word in words)
    if types & _MONO_TYPES or words & _MONO_WORDS or kev:
        return "monoenergetic"
    if words & {"mixed", "mix", "融合", "混合"}:
        return POLYENERGETIC
    stated = {float(m[1]) for word in words if (m := _KILOVOLT.fullmatch(word))}
    named = next(iter(stated)) if len(stated) == 1 else None
    kvp = facts.kvp if named is None else named
    if kvp is None:
        return None
    beside = {i.facts.kvp for i in items if i.key != item.key and _same_scan(i, item)} - {None}
    # A voltage that the header does not bear out is that of one of two tubes.
    spectra = {kvp, *beside, *({facts.kvp} if named is not None else ())}
    dual = bool(words & _DUAL_WORDS) or any("DUAL" in t for t in types)
    dual = dual or any(abs((other or kvp) - kvp) > _SAME_SPECTRUM_KV for other in spectra)
    if _LOW_KV[0] <= kvp <= _LOW_KV[1] and dual:
        return "low_kv"
    if _HIGH_KV[0] <= kvp <= _HIGH_KV[1] and dual:
        return "high_kv"
    return POLYENERGETIC


def _same_scan(one: ExamItem, other: ExamItem) -> bool:
    if one.time_s is None or other.time_s is None:
        number = one.facts.acquisition_number
        return number is not None and number == other.facts.acquisition_number
    return abs(one.time_s - other.time_s) <= SAME_ACQUISITION_S


def is_diagnostic(item: ExamItem, kernel: str | None, energy: str | None) -> bool:
    """Return whether an image may fill a slot of the protocol or decide a limit."""
    return (
        item.orientation == "axial"
        and is_original(item.facts.image_type)
        and kernel in (BODY, None)
        and energy in (POLYENERGETIC, None)
    )
