"""What scanners and technologists call a series, per vendor and per language habit."""

from __future__ import annotations

from tasks.simulate.hospitals import Scanner, Vendor

_SIEMENS_MR = {
    "LOCALIZER": "localizer",
    "MR_T2_FS": "t2_tse_fs_tra_trig",
    "MR_DWI": "ep2d_diff_b50_b800_tra",
    "MR_T1_IPOP": "t1_fl2d_opp-in_tra_bh",
    "MR_T1_PRE": "t1_vibe_fs_tra_bh_pre",
    "MR_T1_ART": "t1_vibe_fs_tra_bh_art",
    "MR_T1_PVP": "t1_vibe_fs_tra_bh_portal",
    "MR_T1_DEL": "t1_vibe_fs_tra_bh_delay",
    "MR_T1_TRANS": "t1_vibe_fs_tra_bh_transitional",
    "MR_T1_HBP": "t1_vibe_fs_tra_bh_HBP_20min",
    "MR_T1_DYN": "t1_vibe_fs_tra_dynamic",
}
_GE_MR = {
    "LOCALIZER": "3-pl Loc 定位",
    "MR_T2_FS": "Ax T2 FSE 压脂",
    "MR_DWI": "Ax DWI b800",
    "MR_T1_IPOP": "Ax 双回波 同反相位",
    "MR_T1_PRE": "Ax LAVA 平扫",
    "MR_T1_ART": "Ax LAVA 动脉期",
    "MR_T1_PVP": "Ax LAVA 门脉期",
    "MR_T1_DEL": "Ax LAVA 延迟期",
    "MR_T1_TRANS": "Ax LAVA 移行期",
    "MR_T1_HBP": "Ax LAVA 肝胆期 20min",
    "MR_T1_DYN": "Ax LAVA Multi-Phase",
}
_PHILIPS_MR = {
    "LOCALIZER": "Survey",
    "MR_T2_FS": "T2W_SPAIR_RT",
    "MR_DWI": "DWI_b0_b1000_RT",
    "MR_T1_OP": "T1W_FFE_out_phase",
    "MR_T1_IP": "T1W_FFE_in_phase",
    "MR_T1_PRE": "mDIXON-W pre",
    "MR_T1_ART": "mDIXON-W arterial",
    "MR_T1_PVP": "mDIXON-W portal",
    "MR_T1_DEL": "mDIXON-W delayed",
    "MR_T1_TRANS": "mDIXON-W transitional",
    "MR_T1_HBP": "mDIXON-W HBP 20min",
    "MR_T1_DYN": "dyn_eTHRIVE SENSE",
}
_UIH_MR = {
    "LOCALIZER": "scout",
    "MR_T2_FS": "t2_fse_fs_tra_trig",
    "MR_DWI": "epi_dwi_tra_b50_b800",
    "MR_T1_OP": "t1_gre_tra_op 反相位",
    "MR_T1_IP": "t1_gre_tra_ip 同相位",
    "MR_T1_PRE": "t1_quick3d_fs_tra 平扫",
    "MR_T1_ART": "t1_quick3d_fs_tra 动脉期",
    "MR_T1_PVP": "t1_quick3d_fs_tra 门脉期",
    "MR_T1_DEL": "t1_quick3d_fs_tra 延迟期",
    "MR_T1_TRANS": "t1_quick3d_fs_tra 移行期",
    "MR_T1_HBP": "t1_quick3d_fs_tra 肝胆期20min",
    "MR_T1_DYN": "t1_quick3d_fs_tra_dyn",
}
_MR = {
    Vendor.SIEMENS: _SIEMENS_MR,
    Vendor.GE: _GE_MR,
    Vendor.PHILIPS: _PHILIPS_MR,
    Vendor.UIH: _UIH_MR,
}
_CT = {
    "en": {
        "CT_NC": "Abdomen Non Contrast 5.0",
        "CT_ART": "Arterial Phase 5.0",
        "CT_PVP": "Portal Venous Phase 5.0",
        "CT_DEL": "Delayed Phase 5.0",
    },
    "zh": {
        "CT_NC": "平扫 5mm",
        "CT_ART": "动脉期 5mm",
        "CT_PVP": "门脉期 5mm",
        "CT_DEL": "延迟期 5mm",
    },
    "mixed": {
        "CT_NC": "Abd 平扫 5.0mm",
        "CT_ART": "Abd 动脉期 5.0mm",
        "CT_PVP": "Abd 门静脉期 5.0mm",
        "CT_DEL": "Abd 延迟期 5.0mm",
    },
}
_STUDY = {
    ("ct", "en"): "CT LIVER CONTRAST",
    ("ct", "zh"): "上腹部增强CT",
    ("ct", "mixed"): "Abdomen^上腹部增强",
    ("dce", "en"): "MR LIVER DYNAMIC",
    ("dce", "zh"): "肝脏MR动态增强",
    ("dce", "mixed"): "Liver^肝脏动态增强",
    ("eob", "en"): "MR LIVER PRIMOVIST",
    ("eob", "zh"): "肝脏普美显增强",
    ("eob", "mixed"): "Liver^普美显增强",
    ("followup", "en"): "MR LIVER FOLLOW UP",
    ("followup", "zh"): "肝脏MR复查",
    ("followup", "mixed"): "Liver^复查",
}


def series_description(scanner: Scanner, modality: str, name_key: str) -> str:
    """Return what this scanner calls the series."""
    if modality == "CT":
        return _CT[scanner.naming][name_key]
    return _MR[scanner.vendor][name_key]


def protocol_name(scanner: Scanner, description: str) -> str:
    """Return the protocol name: as the series, except where the console keeps ASCII only."""
    ascii_only = "".join(c for c in description if c.isascii()).strip(" _")
    return description if scanner.vendor is Vendor.UIH else ascii_only or "Abdomen"


def study_description(scanner: Scanner, key: str) -> str:
    """Return what the order system calls the study."""
    return _STUDY[(key, scanner.naming)]
