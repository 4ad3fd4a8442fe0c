"""What scanners and technologists call a series, per vendor and per language habit.

The tables stand in `series_names`; here is the choice among them.
"""

from __future__ import annotations

from tasks.simulate.hospitals import Scanner, Vendor
from tasks.simulate.series_names import CT_NAMES, MR_NAMES, OTHER_NAMES, STUDY_NAMES

# Dixon parts as each vendor marks them in the name: in front, or behind.
_PART_MARKS = {
    Vendor.SIEMENS: "{}_F",
    Vendor.GE: "FAT: {}",
    Vendor.PHILIPS: "{}_F",
    Vendor.UIH: "{}_F",
    Vendor.CANON: "{} (Fat)",
    Vendor.NEUSOFT: "{}_Fat",
}
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
    if name_key == "MR_T1_FAT":
        return _PART_MARKS[scanner.vendor].format(names["MR_T1_PRE"])
    return names[name_key]


def protocol_name(scanner: Scanner, description: str) -> str:
    """Return the protocol name: as the series, except where the console keeps ASCII only."""
    ascii_only = "".join(c for c in description if c.isascii()).strip(" _")
    return description if scanner.vendor is Vendor.UIH else ascii_only or "Abdomen"


def study_description(scanner: Scanner, key: str) -> str:
    """Return what the order system calls the study."""
    return STUDY_NAMES[(key, scanner.naming)]
