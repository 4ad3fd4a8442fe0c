"""The decision register is signed by a command, remembers, and rules from the next release on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.signed_tables import require_signed_tables
from schemas.errors import BadInputError, ContractError, LivercohortError
from schemas.protocol import choices_of, read_decisions, use_signatures
from schemas.run.zones import Zones
from schemas.signatures import Signature, parse_signatures, signed_register


@pytest.fixture(autouse=True)
def nothing_signed() -> Iterator[None]:
    yield
    use_signatures(())


def run(home: Path, *words: str) -> Any:
    done = CliRunner().invoke(app, ["decisions", *words, "--home", str(home)])
    if isinstance(done.exception, LivercohortError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


def sign(home: Path, decision: str, option: str, **more: str) -> None:
    said = {"by": "PI-01", "document": "minutes 7", "date": "2026-11-20"} | more
    options = [word for name, value in said.items() for word in (f"--{name}", value)]
    run(home, "sign", decision, "--option", option, *options)


def listed(home: Path, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run(home, "list", "--json", *words).stdout)
    return rows


def in_force(home: Path, decision: str) -> dict[str, Any]:
    (row,) = [r for r in listed(home) if r["decision_id"] == decision and r["in_force"]]
    return row


def test_every_decision_runs_with_its_proposal_until_somebody_signs(tmp_path: Path) -> None:
    rows = listed(tmp_path)
    assert {row["decision_id"] for row in rows} >= {f"D{n:02}" for n in range(1, 30)}
    assert all((row["number"] == 1) is row["in_force"] for row in rows)
    assert not any(row["decided_by"] for row in rows)


@pytest.mark.parametrize(
    "option",
    [
        "2",
        "combined_exam",
        "combined_exam: one gadoxetate examination with dynamic phases counts for both",
    ],
)
def test_an_option_is_named_by_number_id_or_words(tmp_path: Path, option: str) -> None:
    sign(tmp_path, "D05", option)
    row = in_force(tmp_path, "D05")
    assert (row["number"], row["decided_by"], row["document"]) == (2, "PI-01", "minutes 7")


def test_a_signed_option_rules_what_is_computed_next(tmp_path: Path) -> None:
    assert choices_of("literal")["D05"] == "two_exams"
    sign(tmp_path, "D05", "2")
    require_signed_tables(Zones(tmp_path))
    assert choices_of("literal")["D05"] == "combined_exam"
    (decision,) = [one for one in read_decisions() if one.decision_id == "D05"]
    assert decision.signed
    assert "literal: both" in decision.alternatives


def test_a_decision_taken_back_stays_in_the_history(tmp_path: Path) -> None:
    sign(tmp_path, "D06", "2")
    sign(tmp_path, "D06", "1", document="minutes 9")
    assert in_force(tmp_path, "D06")["number"] == 1
    assert [row["document"] for row in listed(tmp_path, "--history")] == ["minutes 7", "minutes 9"]


@pytest.mark.parametrize(
    ("decision", "option", "more", "told"),
    [
        ("D99", "1", {}, "no such decision"),
        ("D05", "3", {}, "no such option"),
        ("D05", "both", {}, "no such option"),
        ("D05", "2", {"by": "Dr. Li"}, "short code"),
        ("D05", "2", {"date": "2026-13-01"}, "no day"),
        ("D05", "2", {"document": " "}, "no document"),
        ("D25", "2", {}, None),
    ],
)
def test_what_cannot_be_signed_is_refused_and_leaves_nothing(
    tmp_path: Path, decision: str, option: str, more: dict[str, str], told: str | None
) -> None:
    if told is None:  # nothing computes it: signing is a record, and the rule stays as it is
        sign(tmp_path, decision, option, **more)
        return
    with pytest.raises(BadInputError, match=told):
        sign(tmp_path, decision, option, **more)
    assert not Zones(tmp_path).signatures.exists()


def test_a_signature_of_an_option_that_is_gone_stops_the_night(tmp_path: Path) -> None:
    path = Zones(tmp_path).signatures
    path.parent.mkdir()
    head = "decision_id,option_chosen,decided_by,date,document\n"
    path.write_text(f"{head}D05,three exams,PI-01,2026-11-20,minutes 7\n", encoding="utf-8")
    with pytest.raises(ContractError, match="not in the register"):
        require_signed_tables(Zones(tmp_path))


def test_a_line_that_is_cut_off_is_named() -> None:
    with pytest.raises(ContractError, match=r"signatures\.csv:2"):
        parse_signatures(
            "decision_id,option_chosen,decided_by,date,document\nD05,x\n", "signatures.csv"
        )


def test_the_newest_signature_of_a_decision_counts() -> None:
    one = Signature("D06", "MRI after CT only", "A", "2026-01-01", "m1")
    two = Signature("D06", "two-sided", "B", "2026-02-01", "m2")
    register = {d.decision_id: d for d in signed_register(read_decisions(), (one, two))}
    assert (register["D06"].option_chosen, register["D06"].decided_by) == ("two-sided", "B")
