"""ImageType (0008,0008) as each vendor writes it."""

from __future__ import annotations

from tasks.simulate.people.hospitals import Vendor
from tasks.simulate.people.protocols import SeriesPlan
from tasks.simulate.people.views import View

_CT = {
    "CT_SCOUT": {Vendor.SIEMENS: "ORIGINAL\\PRIMARY\\LOCALIZER\\CT_SOM5 TOP"},
    "CT_MPR": {
        Vendor.SIEMENS: "DERIVED\\SECONDARY\\MPR",
        Vendor.GE: "DERIVED\\SECONDARY\\REFORMATTED\\AVERAGE",
    },
    "DOSE_REPORT": {Vendor.GE: "DERIVED\\SECONDARY\\SCREEN SAVE"},
}
_CT_PLAIN = {
    "CT_SCOUT": "ORIGINAL\\PRIMARY\\LOCALIZER",
    "CT_MPR": "DERIVED\\SECONDARY\\MPR",
    "DOSE_REPORT": "DERIVED\\SECONDARY\\DOSE_INFO",
}
_MR: dict[Vendor, dict[str, str]] = {
    Vendor.SIEMENS: {
        "": "ORIGINAL\\PRIMARY\\M\\ND\\NORM",
        "MR_DWI": "DERIVED\\PRIMARY\\DIFFUSION\\TRACEW\\ND\\DIS2D",
        "MR_ADC": "DERIVED\\PRIMARY\\DIFFUSION\\ADC\\ND\\DIS2D",
        "MR_SUB": "DERIVED\\PRIMARY\\M\\ND\\SUB\\NORM",
        "MR_MPR": "DERIVED\\SECONDARY\\MPR\\CSA MPR",
        "MR_T1_DIXON_IP": "ORIGINAL\\PRIMARY\\DIXON\\IN_PHASE\\ND",
        "MR_T1_DIXON_OP": "ORIGINAL\\PRIMARY\\DIXON\\OPP_PHASE\\ND",
        "MR_T1_FAT": "DERIVED\\PRIMARY\\DIXON\\FAT\\ND",
        "MR_T1_WATER": "DERIVED\\PRIMARY\\DIXON\\WATER\\ND",
    },
    Vendor.GE: {
        "": "ORIGINAL\\PRIMARY\\OTHER",
        "MR_ADC": "DERIVED\\PRIMARY\\OTHER\\ADC",
        "MR_SUB": "DERIVED\\SECONDARY\\SUBTRACTION",
        "MR_MPR": "DERIVED\\SECONDARY\\REFORMATTED\\AVERAGE",
        "MR_T1_FAT": "DERIVED\\PRIMARY\\DIXON\\FAT",
        "MR_T1_WATER": "DERIVED\\PRIMARY\\DIXON\\WATER",
    },
    Vendor.PHILIPS: {
        "": "ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE",
        "MR_T2": "ORIGINAL\\PRIMARY\\M_SE\\M\\SE",
        "MR_T2_FS": "ORIGINAL\\PRIMARY\\M_SE\\M\\SE",
        "MR_MRCP": "ORIGINAL\\PRIMARY\\M_SE\\M\\SE",
        "MR_DWI": "ORIGINAL\\PRIMARY\\M_SE\\M\\SE",
        "MR_ADC": "DERIVED\\PRIMARY\\ADC\\ADC\\SE",
        "MR_T1_IP": "ORIGINAL\\PRIMARY\\IP\\IP\\FFE",
        "MR_T1_OP": "ORIGINAL\\PRIMARY\\OP\\OP\\FFE",
        "MR_T1_DIXON_IP": "ORIGINAL\\PRIMARY\\IP\\IP\\FFE",
        "MR_T1_DIXON_OP": "ORIGINAL\\PRIMARY\\OP\\OP\\FFE",
        "MR_T1_FAT": "ORIGINAL\\PRIMARY\\F\\F\\FFE",
        "MR_T1_WATER": "ORIGINAL\\PRIMARY\\W\\W\\FFE",
        "MR_SUB": "DERIVED\\SECONDARY\\SUBTRACTION",
        "MR_MPR": "DERIVED\\SECONDARY\\MPR",
    },
    Vendor.UIH: {
        "": "ORIGINAL\\PRIMARY\\M\\NORM",
        "MR_DWI": "ORIGINAL\\PRIMARY\\DIFFUSION\\TRACEW",
        "MR_ADC": "DERIVED\\PRIMARY\\DIFFUSION\\ADC",
        "MR_SUB": "DERIVED\\SECONDARY\\SUB",
        "MR_MPR": "DERIVED\\SECONDARY\\MPR",
        "MR_T1_DIXON_IP": "ORIGINAL\\PRIMARY\\WFI\\IN_PHASE",
        "MR_T1_DIXON_OP": "ORIGINAL\\PRIMARY\\WFI\\OPP_PHASE",
        "MR_T1_FAT": "DERIVED\\PRIMARY\\WFI\\FAT",
        "MR_T1_WATER": "DERIVED\\PRIMARY\\WFI\\WATER",
    },
    Vendor.CANON: {
        "": "ORIGINAL\\PRIMARY\\OTHER",
        "MR_ADC": "DERIVED\\PRIMARY\\ADC",
        "MR_SUB": "DERIVED\\SECONDARY\\SUBTRACTION",
        "MR_MPR": "DERIVED\\SECONDARY\\MPR",
        "MR_T1_FAT": "DERIVED\\PRIMARY\\DIXON\\FAT",
        "MR_T1_WATER": "DERIVED\\PRIMARY\\DIXON\\WATER",
    },
    Vendor.NEUSOFT: {
        "": "ORIGINAL\\PRIMARY\\M",
        "MR_ADC": "DERIVED\\PRIMARY\\ADC",
        "MR_SUB": "DERIVED\\SECONDARY\\SUB",
        "MR_MPR": "DERIVED\\SECONDARY\\MPR",
        "MR_T1_FAT": "DERIVED\\PRIMARY\\DIXON\\FAT",
        "MR_T1_WATER": "DERIVED\\PRIMARY\\DIXON\\WATER",
    },
}


def image_type(vendor: Vendor, plan: SeriesPlan) -> list[str]:
    """Return ImageType of the images of a series."""
    if plan.modality == "CT":
        plain = _CT_PLAIN.get(plan.name_key, "ORIGINAL\\PRIMARY\\AXIAL")
        return _CT.get(plan.name_key, {}).get(vendor, plain).split("\\")
    known = _MR[vendor]
    values = known.get(plan.name_key, known[""]).split("\\")
    if plan.view is View.THREE_PLANES and vendor is Vendor.CANON:
        return [*values, "LOCALIZER"]
    return [*values, plan.tiles.name] if plan.tiles else values
