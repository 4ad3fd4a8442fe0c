"""Sites X001 to X028 for load tests: as many as are registered, with files of their own.

They are fictitious like S91 to S99 and differ from each other as those do. Their site files
are written beside the exports and never installed: an installation that is not under test
has no such site.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import yaml

from schemas.identifiers import SiteCode
from tasks.simulate.people.hospitals import HOSPITALS, Hospital
from tasks.simulate.people.protocols import SeriesPlan

N_LOAD_SITES = 28
SITE_FILES = "site_files"
_SMALL_MATRIX = 32


def _load_hospital(number: int) -> Hospital:
    model = HOSPITALS[(number - 1) % len(HOSPITALS)]
    return replace(
        model,
        code=SiteCode(f"X{number:03d}"),
        name_en=f"Load Test Hospital {number}",
        name_zh=f"压力测试第{number}医院",
        alias=f"压测{number:02d}院",
        zipped=False,
    )


LOAD_HOSPITALS: tuple[Hospital, ...] = tuple(
    _load_hospital(number) for number in range(1, N_LOAD_SITES + 1)
)


def small_plan(plan: SeriesPlan) -> SeriesPlan:
    """Return the series with a small matrix over the same field of view."""
    rows, columns = min(plan.rows, _SMALL_MATRIX), min(plan.columns, _SMALL_MATRIX)
    return replace(
        plan, rows=rows, columns=columns, pixel_mm=round(plan.pixel_mm * plan.rows / rows, 4)
    )


def site_file(hospital: Hospital) -> bytes:
    """Return the file that lets a load site deliver."""
    facts = {
        "code": str(hospital.code),
        "fictitious": True,
        "name_en": hospital.name_en,
        "name_zh": hospital.name_zh,
        "province_en": "Nowhere",
        "province_zh": "虚构省",
        "level_zh": "三甲",
        "ethics_ref": f"LOAD-{hospital.code}",
        "ethics_date": dt.date(2024, 11, 14),
        "ethics_reason": "fictitious site for load tests, the reference stands in for a document",
        "patient_id_is_subject_no": False,
        "quiet_minutes": 30,
    }
    text = yaml.safe_dump(facts, allow_unicode=True, sort_keys=False)
    return f"# Fictitious: written by the simulator for load tests.\n{text}".encode()
