"""What scanners and technologists call a series, per vendor and per language habit.

The tables stand in `series_names`; here is the choice among them.
"""

from __future__ import annotations

from tasks.simulate.people.hospitals import Scanner, Vendor
from tasks.simulate.people.series_names import CT_NAMES, MR_NAMES, OTHER_NAMES, STUDY_NAMES

# Which parts of a Dixon acquisition each vendor exports, and how it marks them in the name.
DIXON_PARTS: dict[Vendor, dict[str, str]] = {
    Vendor.SIEMENS: {
        "MR_T1_DIXON_IP": "{}_in", "MR_T1_DIXON_OP": "{}_opp", "MR_T1_FAT": "{}_F",
        "MR_T1_WATER": "{}_W",
    },
    Vendor.GE: {
        "MR_T1_DIXON_IP": "InPhase: {}", "MR_T1_DIXON_OP": "OutPhase: {}",
        "MR_T1_FAT": "FAT: {}", "MR_T1_WATER": "WATER: {}",
    },
    Vendor.PHILIPS: {
        "MR_T1_DIXON_IP": "{}_in_phase", "MR_T1_DIXON_OP": "{}_out_phase", "MR_T1_FAT": "{}_F",
        "MR_T1_WATER": "{}_W",
    },
    Vendor.UIH: {
        "MR_T1_DIXON_IP": "{}_ip", "MR_T1_DIXON_OP": "{}_op", "MR_T1_FAT": "{}_F",
        "MR_T1_WATER": "{}_W",
    },
    Vendor.CANON: {"MR_T1_FAT": "{} (Fat)", "MR_T1_WATER": "{} (Water)"},
    Vendor.NEUSOFT: {"MR_T1_FAT": "{}_Fat", "MR_T1_WATER": "{}_Water"},
}  # fmt: skip
_THIN = "_THIN"


def series_description(scanner: Scanner, modality: str, name_key: str, variant: int = 0) -> str:
    """Return what this scanner calls the series.

    Parameters
    ----------
    scanner : Scanner
        Its vendor and language decide.
    modality : str
        CT or MR.
    name_key : str
        What the series is.
    variant : int
        0 for the plain name; others go round the names that people type instead.
    """
    others = OTHER_NAMES.get(name_key, ())
    if variant and others:
        return others[(variant - 1) % len(others)]
    if modality == "CT":
        thin = name_key.endswith(_THIN)
        name = CT_NAMES[scanner.naming][name_key.removesuffix(_THIN)]
        return name.replace("5.0", "1.25").replace("5mm", "1.25mm") if thin else name
    names = MR_NAMES[scanner.vendor]
    if name_key in DIXON_PARTS[scanner.vendor]:
        return DIXON_PARTS[scanner.vendor][name_key].format(names["MR_T1_DIXON"])
    return names[name_key]


def protocol_name(scanner: Scanner, description: str) -> str:
    """Return the protocol name: as the series, except where the console keeps ASCII only."""
    ascii_only = "".join(c for c in description if c.isascii()).strip(" _")
    return description if scanner.vendor is Vendor.UIH else ascii_only or "Abdomen"


def study_description(scanner: Scanner, key: str) -> str:
    """Return what the order system calls the study."""
    return STUDY_NAMES[(key, scanner.naming)]
