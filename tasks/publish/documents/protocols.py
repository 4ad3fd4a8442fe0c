"""`protocols.md`: the dominant protocol per scanner and label, its variants, the outliers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Row = Mapping[str, object]
Group = tuple[str, str, str]
#: What is shown of a variant, where its modality has it.
_SHOWN = (
    *("kvp", "kernel", "repetition_time_ms", "echo_time_ms", "inversion_time_ms"),
    *("flip_angle_deg", "echo_train_length", "mr_acquisition_type", "slice_thickness_mm"),
    *("pixel_spacing_mm", "rows", "field_strength_t"),
)
_HEAD = """# Protocols · 扫描方案

Per scanner, label and contrast agent: the dominant protocol (variant 1) and what departs from it
beyond the tolerances of `data_contracts/measure/parameters.csv`. Series by series:
`protocol_variant`; sites x scanners x labels: `protocol_matrix`; over the batches of a site:
`protocol_drift`. Values are those of one series of the variant.

按设备、标签与对比剂列出主要方案（变体1）及超出容差的变体；逐序列见 `protocol_variant`。

"""


def protocols_page(rows: Iterable[Row]) -> bytes:
    """Return the page for the rows of `protocol_variant`."""
    groups: dict[Group, list[Row]] = {}
    for row in rows:
        name = (str(row["scanner_group"]), str(row["label"]), str(row["agent_class"]))
        groups.setdefault(name, []).append(row)
    parts = [_HEAD]
    scanner = ""
    for group in sorted(groups):
        if group[0] != scanner:
            scanner = group[0]
            parts.append(f"\n## {scanner}\n\n{_line(_COLUMNS)}{_line(['---'] * len(_COLUMNS))}")
        parts += [_line(cells) for cells in _variants(group, groups[group])]
    return "".join(parts).encode()


#: Of a group that is too small nobody knows it.
_OUTLIER = {"True": "yes · 是", "False": "no · 否", "None": "undetermined · 未定"}
_COLUMNS = ("label", "agent", "variant", "series", "outlier", "parameters", "departs in")


def _variants(group: Group, rows: Sequence[Row]) -> list[list[str]]:
    numbers = sorted({int(str(row["variant_no"])) for row in rows})
    return [_variant(group, [r for r in rows if r["variant_no"] == number]) for number in numbers]


def _variant(group: Group, rows: Sequence[Row]) -> list[str]:
    first = min(rows, key=lambda r: (str(r["series_uid"]), str(r["sub_stack_digest"])))
    differs = sorted({str(name) for row in rows for name in _names(row["differs_in"])})
    told = [f"{name} {_value(first[name])}" for name in _SHOWN if first[name] is not None]
    outlier = _OUTLIER[str(first["is_outlier"])]
    return [
        *(group[1], group[2], str(first["variant_no"]), str(len(rows)), outlier),
        *("; ".join(told), ", ".join(differs)),
    ]


def _names(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |\n"
