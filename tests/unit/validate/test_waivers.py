"""A waiver counts for one rule and one object, until its day; a bad row refuses the file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from schemas.errors import ContractError, GateBlockedError
from schemas.finding_ids import finding_id
from schemas.hospital_day import hospital_today
from schemas.records import Finding
from schemas.run.zones import Zones
from schemas.states import Severity
from tasks.validate.store import known_rules, read_waived, require_passed
from tasks.validate.waivers import COLUMNS, Waiver, apply_waivers, parse_waivers

HEAD = ",".join(COLUMNS)
KNOWN = known_rules()
ROW = "VOL-PROOF,nifti_volume,v1,L. Chen,looked at by hand,2026-11-01,2026-12-01,wont_fix"


def finding(rule_id: str, object_id: str) -> Finding:
    return Finding(
        finding_id(rule_id, "nifti_volume", object_id),
        rule_id,
        Severity.BLOCKER,
        "S91",
        "nifti_volume",
        object_id,
        *("",) * 7,
    )


WAIVED, OTHER_OBJECT = finding("VOL-PROOF", "v1"), finding("VOL-PROOF", "v2")
OTHER_RULE = finding("VOL-SLICES", "v1")


def parse(*rows: str) -> tuple[Waiver, ...]:
    return parse_waivers("\n".join([HEAD, *rows]) + "\n", KNOWN)


@pytest.mark.parametrize(
    ("day", "counts"),
    [
        (dt.date(2026, 10, 31), False),
        (dt.date(2026, 11, 1), True),
        (dt.date(2026, 11, 30), True),
        (dt.date(2026, 12, 1), False),
    ],
)
def test_a_waiver_counts_from_its_day_to_the_day_before_it_expires(
    day: dt.date, counts: bool
) -> None:
    waived = apply_waivers([WAIVED, OTHER_OBJECT, OTHER_RULE], parse(ROW), day)
    assert waived == ({WAIVED.finding_id: "wont_fix"} if counts else {})


def test_a_waived_blocker_shuts_no_gate_and_any_other_does() -> None:
    waived = {WAIVED.finding_id: "wont_fix"}
    require_passed([WAIVED], waived)
    with pytest.raises(GateBlockedError, match="VOL-SLICES"):
        require_passed([WAIVED, OTHER_RULE], waived)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW.replace("VOL-PROOF", "VOL-NOTHING"), "no rule VOL-NOTHING"),
        (ROW.replace("VOL-PROOF", "RUN-FAILED"), "cannot be waived"),
        (ROW.replace("VOL-PROOF", "CON-KEY"), "cannot be waived"),
        (ROW.replace("L. Chen", ""), "author"),
        (ROW.replace("looked at by hand", "ok"), "reason"),
        (ROW.replace("2026-12-01", "2028-12-01"), "366 days"),
        (ROW.replace("2026-12-01", "2026-11-01"), "366 days"),
        (ROW.replace("2026-12-01", "never"), "expires_on"),
        (ROW.replace("2026-12-01", "1796083200"), "expires_on"),
        (ROW.replace("2026-12-01", "2026-12-01T00:00:00"), "expires_on"),
        (ROW.replace("wont_fix", "auto_resolved"), "closes_as"),
        (ROW + ",more", "a row of 9 cells"),
    ],
)
def test_a_row_that_cannot_be_used_refuses_the_file_by_line(row: str, reason: str) -> None:
    with pytest.raises(ContractError, match=reason) as error:
        parse(ROW.replace(",v1,", ",v9,"), row)
    assert "waivers.csv:3" in str(error.value)


def test_one_rule_and_object_waived_twice_is_refused() -> None:
    with pytest.raises(ContractError, match="stands twice"):
        parse(ROW, ROW)


def test_other_columns_are_refused() -> None:
    with pytest.raises(ContractError, match=r"waivers\.csv:1"):
        parse_waivers("rule_id,author\n", KNOWN)


def test_the_file_of_a_home_is_read_and_its_absence_waives_nothing(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    assert read_waived(zones, [WAIVED]) == {}
    zones.operations.mkdir()
    today = hospital_today()
    row = ROW.replace("2026-11-01", today.isoformat()).replace(
        "2026-12-01", (today + dt.timedelta(days=1)).isoformat()
    )
    (zones.operations / "waivers.csv").write_bytes(f"{HEAD}\r\n{row}\r\n".encode("utf-8-sig"))
    assert read_waived(zones, [WAIVED]) == {WAIVED.finding_id: "wont_fix"}


@pytest.mark.parametrize(
    ("cell", "told"),
    [("x" * 140_000, "no CSV"), ('"never closed', "quotation mark")],
    ids=["long", "open"],
)
def test_a_file_of_waivers_that_is_no_csv_is_refused_whole(cell: str, told: str) -> None:
    with pytest.raises(ContractError, match=rf"{told}.*waivers\.csv:3"):
        parse(ROW, cell)
