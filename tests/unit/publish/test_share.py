"""Individual data leave only behind signed gates, of those who consented, after a scan."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Collection
from functools import partial
from pathlib import Path

import pytest

from schemas.errors import BadInputError, ContractError, GateBlockedError
from schemas.package_data import data_contracts_dir
from tasks.publish.sharing import parse_gates
from tasks.publish.store_share import REGISTER, share_for_resman
from tests.unit.publish.test_release import files_below

CONSENTED, WAIVED = "S91-AAAA2222", "S92-CCCC4444"
OPEN = ",yes,PI,2029-03-01,minutes 12,"


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A register in which both gates are open."""
    text = (data_contracts_dir() / REGISTER).read_text()
    path = tmp_path / "resman.csv"
    path.write_text(text.replace(",no,,,,", OPEN))
    return path


def nobody(_: Collection[str]) -> frozenset[str]:
    return frozenset()


def fine(_: Path) -> None:
    """Find no identifier."""


def keyed(*parts: str) -> bytes:
    return hashlib.sha256("/".join(parts).encode()).digest()


share = partial(share_for_resman, keyed=keyed, k=1)


def test_nothing_is_shared_while_the_shipped_register_is_unsigned(
    made: Path, tmp_path: Path
) -> None:
    with pytest.raises(GateBlockedError, match="Is the trial complete"):
        share(made, tmp_path / "out", kept_out=nobody, inspect=fine)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["PI", "2029-03-01", "minutes 12", "yes"])
def test_a_half_signed_gate_is_closed(
    made: Path, signed: Path, tmp_path: Path, missing: str
) -> None:
    signed.write_text(signed.read_text().replace(missing, "no" if missing == "yes" else "", 1))
    with pytest.raises(GateBlockedError, match="sharing is not decided"):
        share(made, tmp_path / "out", kept_out=nobody, inspect=fine, register=signed)


def test_a_register_with_a_bad_row_is_refused_by_line() -> None:
    text = (data_contracts_dir() / REGISTER).read_text()
    with pytest.raises(ContractError, match=r"resman\.csv:3"):
        parse_gates(text.replace("clearance,", "clear,"), "resman.csv")
    with pytest.raises(ContractError, match="missing"):
        parse_gates("\n".join(text.splitlines()[:2]) + "\n", "resman.csv")


def test_the_package_holds_who_consented_and_nothing_of_the_others(
    made: Path, signed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shared = share(made, out, kept_out=nobody, inspect=fine, register=signed)
    assert (shared.subjects, shared.withheld, shared.volumes) == (1, 1, 1)
    with (out / "data" / "subject.csv").open(encoding="utf-8-sig") as stream:
        (row,) = csv.DictReader(stream)
    assert row["subject_id"].startswith("P-")
    assert (row["age_band"], row["site_group"][:5]) == ("60-64", "site-")
    tokens = (b"AAAA2222", b"S91")
    held = [p for p in (out / "data").iterdir() if any(t in p.read_bytes() for t in tokens)]
    assert held == []
    assert not list(out.rglob("*AAAA2222*"))
    assert not [p for p in out.rglob("*") if "CCCC4444" in p.name]
    assert not [p for p in out.rglob("*") if p.is_file() and b"CCCC4444" in p.read_bytes()]
    assert (out / "protocol" / "eligibility.yaml").is_file()
    assert not list(out.rglob("finding*"))


def test_every_file_of_the_package_is_in_its_sums_and_manifest(
    made: Path, signed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    share(made, out, kept_out=nobody, inspect=fine, register=signed)
    found = files_below(out)
    lines = (out / "SHA256SUMS").read_text().splitlines()
    stated = {path: digest for digest, _, path in (line.partition("  ") for line in lines)}
    assert stated == {path: h for path, h in found.items() if path != "SHA256SUMS"}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["release_id"] == "livercohort:1.0.0"
    assert manifest["files"] == {p: h for p, h in stated.items() if p != "manifest.json"}
    package = json.loads((out / "datapackage.json").read_text())
    for resource in package["resources"]:
        digest = hashlib.sha256((out / resource["path"]).read_bytes()).hexdigest()
        assert resource["hash"] == f"sha256:{digest}"


def test_who_withdrew_since_the_release_is_not_shared(
    made: Path, signed: Path, tmp_path: Path
) -> None:
    with pytest.raises(GateBlockedError, match="no subject"):
        share(made, tmp_path / "out", kept_out=lambda _: {CONSENTED}, inspect=fine, register=signed)


def test_who_withdraws_while_the_package_is_made_stops_it(
    made: Path, signed: Path, tmp_path: Path
) -> None:
    def withdrew(subjects: list[str]) -> None:
        assert subjects == [CONSENTED]
        raise GateBlockedError("1 subjects withdrew")

    with pytest.raises(GateBlockedError, match="withdrew"):
        share(
            made,
            tmp_path / "out",
            kept_out=nobody,
            inspect=fine,
            register=signed,
            at_last=withdrew,
        )
    assert not (tmp_path / "out").exists()


def test_an_identifier_found_stops_the_package(made: Path, signed: Path, tmp_path: Path) -> None:
    def hit(folder: Path) -> None:
        assert (folder / "data" / "subject.csv").is_file()
        raise GateBlockedError("the identifier scan found 1 hits")

    with pytest.raises(GateBlockedError, match="identifier"):
        share(made, tmp_path / "out", kept_out=nobody, inspect=hit, register=signed)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_overwritten(
    made: Path, signed: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(BadInputError, match="there already"):
        share(made, tmp_path / "out", kept_out=nobody, inspect=fine, register=signed)


def test_a_package_in_which_somebody_would_stand_alone_is_refused(
    made: Path, signed: Path, tmp_path: Path
) -> None:
    with pytest.raises(GateBlockedError, match="fewer than 5"):
        share(made, tmp_path / "out", kept_out=nobody, inspect=fine, register=signed, k=5)
    assert not (tmp_path / "out").exists()
