"""The fictitious hospitals S91 to S99: scanners, character sets, habits of naming and sending.

No hospital here exists. What differs between them is what differs between real ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from schemas.identifiers import SiteCode


class Vendor(StrEnum):
    """Who built a scanner."""

    SIEMENS = "Siemens"
    GE = "GE"
    PHILIPS = "Philips"
    UIH = "UIH"
    CANON = "Canon"
    NEUSOFT = "Neusoft"


class Charset(StrEnum):
    """How text is encoded, and what the header says about it."""

    GB18030 = "GB18030"
    IR_58 = "ISO 2022 IR 58"
    UTF_8 = "ISO_IR 192"
    GBK_UNLABELLED = "GBK without SpecificCharacterSet"
    GBK_AS_LATIN_1 = "GBK declared as ISO_IR 100"


class Packing(StrEnum):
    """How an archive keeps pixels and elements: the transfer syntax it sends."""

    NATIVE = "little endian, as the scanner wrote it"
    DEFLATED = "deflated explicit little endian"
    RLE = "RLE lossless"
    JPEG_LOSSLESS = "JPEG lossless, first-order prediction"
    JPEG_LS = "JPEG-LS lossless"
    JPEG_2000 = "JPEG 2000 lossless"


class Tiles(StrEnum):
    """How the slices of a volume lie side by side in one image."""

    GRID = "grid"
    MOSAIC = "mosaic"


class PathHabit(StrEnum):
    """How a site names folders and files of an export."""

    NAMES = "person and study in folder names"
    HAN_NAMES = "Han name and hospital number in folder names"
    UIDS = "UIDs as names"


@dataclass(frozen=True)
class Scanner:
    """One machine and how it writes.

    `enhanced` machines write one multi-frame object per series; those with `tiles` lay the
    slices of a diffusion volume side by side in one image.
    """

    vendor: Vendor
    model: str
    charset: Charset
    naming: str
    implicit_vr: bool = False
    field_t: float | None = None
    packing: Packing = Packing.NATIVE
    enhanced: bool = False
    tiles: Tiles | None = None


@dataclass(frozen=True)
class Hospital:
    """One fictitious site."""

    code: SiteCode
    name_en: str
    name_zh: str
    alias: str
    ct: Scanner
    dce: Scanner
    eob: Scanner
    paths: PathHabit
    name_in_series_description: bool = False
    name_in_study_description: bool = False
    manifest: bool = False
    zipped: bool = False

    @property
    def number(self) -> int:
        """The two digits of the site code."""
        return int(self.code[1:])


def _ct(vendor: Vendor, charset: Charset, naming: str, *, implicit_vr: bool = False) -> Scanner:
    model = {
        Vendor.SIEMENS: "SOMATOM Definition Flash",
        Vendor.GE: "Revolution CT",
        Vendor.PHILIPS: "Brilliance 64",
        Vendor.UIH: "uCT 760",
        Vendor.CANON: "Aquilion ONE",
        Vendor.NEUSOFT: "NeuViz 64",
    }[vendor]
    return Scanner(vendor, model, charset, naming, implicit_vr)


def _mr(
    vendor: Vendor, charset: Charset, naming: str, field_t: float, *, implicit_vr: bool = False
) -> Scanner:
    model = {
        Vendor.SIEMENS: "Aera",
        Vendor.GE: "DISCOVERY MR750",
        Vendor.PHILIPS: "Ingenia",
        Vendor.UIH: "uMR 780",
        Vendor.CANON: "Vantage Titan",
        Vendor.NEUSOFT: "NMS-S15P",
    }[vendor]
    return Scanner(vendor, model, charset, naming, implicit_vr, field_t)


_SIEMENS_CT = _ct(Vendor.SIEMENS, Charset.GB18030, "en")
_SIEMENS_MR = _mr(Vendor.SIEMENS, Charset.GB18030, "en", 1.494)
_GE_CT = _ct(Vendor.GE, Charset.GBK_UNLABELLED, "zh", implicit_vr=True)
_GE_MR = _mr(Vendor.GE, Charset.IR_58, "zh", 3.0, implicit_vr=True)
_UIH_CT = _ct(Vendor.UIH, Charset.GBK_AS_LATIN_1, "mixed")
_UIH_MR = _mr(Vendor.UIH, Charset.UTF_8, "mixed", 3.0)
_PHILIPS_CT = _ct(Vendor.PHILIPS, Charset.UTF_8, "en")
_PHILIPS_MR = _mr(Vendor.PHILIPS, Charset.UTF_8, "en", 3.0)
_SIEMENS_MOSAIC = replace(_SIEMENS_MR, tiles=Tiles.MOSAIC)
_SIEMENS_XA = replace(
    _mr(Vendor.SIEMENS, Charset.UTF_8, "en", 2.894), model="MAGNETOM Vida", enhanced=True
)
_PHILIPS_ENHANCED = replace(_PHILIPS_MR, model="Ingenia Elition X", enhanced=True)
_UIH_GRID = replace(_UIH_MR, model="uMR 790", tiles=Tiles.GRID)
_CANON_CT = _ct(Vendor.CANON, Charset.GBK_UNLABELLED, "mixed")
_CANON_MR = _mr(Vendor.CANON, Charset.IR_58, "mixed", 1.5)
_NEUSOFT_CT = _ct(Vendor.NEUSOFT, Charset.GB18030, "zh")
_NEUSOFT_MR = _mr(Vendor.NEUSOFT, Charset.GB18030, "zh", 1.5)


def _packed(scanner: Scanner, packing: Packing) -> Scanner:
    return replace(scanner, packing=packing)


HOSPITALS: tuple[Hospital, ...] = (
    Hospital(
        SiteCode("S91"), "Haitang First People Hospital", "海棠市第一人民医院", "海棠一院",
        _SIEMENS_CT, _SIEMENS_MOSAIC, _SIEMENS_MOSAIC, PathHabit.NAMES,
        name_in_study_description=True,
    ),
    Hospital(
        SiteCode("S92"), "Yunxi University Affiliated Hospital", "云溪大学附属医院", "云溪附院",
        _GE_CT, _GE_MR, _GE_MR, PathHabit.HAN_NAMES, manifest=True,
    ),
    Hospital(
        SiteCode("S93"), "Wusong Central Hospital", "雾松市中心医院", "雾松中心",
        _UIH_CT, _PHILIPS_MR, _UIH_MR, PathHabit.UIDS, name_in_series_description=True, zipped=True,
    ),
    Hospital(
        SiteCode("S94"), "Bailuwan Hospital", "白鹭湾医院", "白鹭湾",
        _packed(_PHILIPS_CT, Packing.JPEG_LOSSLESS), _packed(_PHILIPS_MR, Packing.RLE),
        _PHILIPS_ENHANCED, PathHabit.NAMES,
    ),
    Hospital(
        SiteCode("S95"), "Qingtong People Hospital", "青桐市人民医院", "青桐人医",
        _packed(replace(_GE_CT, implicit_vr=False), Packing.JPEG_2000), _UIH_GRID, _UIH_MR,
        PathHabit.HAN_NAMES,
    ),
    Hospital(
        SiteCode("S96"), "Wangchuan University Second Hospital", "望川大学第二附属医院", "望川二院",
        _packed(_SIEMENS_CT, Packing.DEFLATED),
        _packed(replace(_GE_MR, implicit_vr=False), Packing.JPEG_LOSSLESS), _SIEMENS_XA,
        PathHabit.UIDS, name_in_study_description=True,
    ),
    Hospital(
        SiteCode("S97"), "Jinsui Cancer Hospital", "金穗肿瘤医院", "金穗肿瘤",
        _NEUSOFT_CT, _NEUSOFT_MR, _NEUSOFT_MR, PathHabit.NAMES,
    ),
    Hospital(
        SiteCode("S98"), "Shiqiao County Hospital", "石桥湖县人民医院", "石桥湖县医院",
        _CANON_CT, _CANON_MR, _GE_MR, PathHabit.HAN_NAMES,
        manifest=True,
    ),
    Hospital(
        SiteCode("S99"), "Biwu Integrated Medicine Hospital", "碧梧市中西医结合医院", "碧梧中西医",
        _PHILIPS_CT, _packed(_SIEMENS_MR, Packing.JPEG_LS), _PHILIPS_MR, PathHabit.UIDS,
        zipped=True,
    ),
)  # fmt: skip
