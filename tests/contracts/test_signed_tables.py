"""Every signed table under every ordinary edit: read as it was, or refused by file and line.

What a spreadsheet program does to a table that nobody changed is accepted, and every row means
what it meant. What could lose, join or shift a row is refused; no edit ends as anything else.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.signed_tables import check_signed_tables, problems_of_home, problems_of_package
from schemas.errors import ContractError
from schemas.rule_tables import problems_of
from schemas.run.zones import Zones
from tasks.deidentify.search.store_accepted_words import ACCEPTED_NAME
from tasks.harmonise.store_rules import use_rules
from tests.contracts.signed import (
    IN_PACKAGE,
    LABELS,
    ROOT,
    TABLES,
    Signed,
    lines_of,
    name_of,
    named,
    put,
)
from tests.contracts.table_edits import (
    ACCEPTED,
    REFUSED,
    key_twice,
    row_twice,
    stray_quote_before_the_last_cell,
)

#: Of a table without a key a row may come again.
REFUSALS = [
    (table, edit)
    for table in TABLES
    for edit in REFUSED
    if table.key or edit not in (row_twice, key_twice)
]


@pytest.mark.parametrize("edit", ACCEPTED, ids=name_of)
@pytest.mark.parametrize("table", TABLES, ids=name_of)
def test_what_a_program_does_to_a_table_changes_no_row(
    tmp_path: Path, table: Signed, edit: Callable[[Signed], bytes]
) -> None:
    before = table.read(put(tmp_path / "before", table, table.content))
    edited = edit(table)
    assert edited != table.content
    assert table.read(put(tmp_path / "after", table, edited)) == before


@pytest.mark.parametrize(("table", "edit"), REFUSALS, ids=name_of)
def test_what_could_lose_or_shift_a_row_is_refused_by_file_and_line(
    tmp_path: Path, table: Signed, edit: Callable[[Signed], tuple[bytes, int]]
) -> None:
    edited, line = edit(table)
    assert edited != table.content
    path = put(tmp_path, table, edited)
    with pytest.raises(ContractError) as refusal:
        table.read(path)
    first = problems_of(refusal.value)[0]
    assert first.where.endswith(f"{path.name}:{line}")
    assert first.hint


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"], ids=["none", "line", "mark"])
@pytest.mark.parametrize("table", TABLES, ids=name_of)
def test_an_empty_file_is_refused(tmp_path: Path, table: Signed, content: bytes) -> None:
    with pytest.raises(ContractError, match="an empty file"):
        table.read(put(tmp_path, table, content))


@pytest.mark.parametrize("table", TABLES, ids=name_of)
def test_a_table_without_rows_is_refused_but_a_register_may_be_new(
    tmp_path: Path, table: Signed
) -> None:
    path = put(tmp_path, table, lines_of(table)[0] + b"\n")
    if path.name in ("label_decisions.csv", "waivers.csv", ACCEPTED_NAME, "signatures.csv"):
        assert not table.read(path)
        return
    with pytest.raises(ContractError, match=path.name):
        table.read(path)


@pytest.mark.parametrize("table", TABLES, ids=name_of)
def test_every_line_that_cannot_be_used_is_told(tmp_path: Path, table: Signed) -> None:
    lines = lines_of(table)
    for number in (2, len(lines)):
        lines[number - 1] += b",more"
    path = put(tmp_path, table, b"\n".join(lines) + b"\n")
    with pytest.raises(ContractError) as refusal:
        table.read(path)
    told = [problem.where.rpartition(":")[2] for problem in problems_of(refusal.value)]
    assert told == ["2", str(len(lines))]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of all tables, with the suites beside them."""
    shutil.copytree(ROOT, tmp_path / "data_contracts")
    return tmp_path / "data_contracts"


def problems(root: Path) -> list[str]:
    return [problem.where for problem in problems_of_package(root)]


def test_the_tables_that_ship_can_be_used(copy: Path) -> None:
    assert problems(copy) == []
    assert check_signed_tables(Zones(copy.parent / "home")).problems == ()


@pytest.mark.parametrize("table", IN_PACKAGE, ids=name_of)
def test_a_night_would_be_told_of_each_table(copy: Path, table: Signed) -> None:
    edited, line = stray_quote_before_the_last_cell(table)
    (copy / table.path).write_bytes(edited)
    assert problems(copy) == [f"{table.path}:{line}"]


DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for path in ROOT.rglob("*")
    if path.suffix in (".yaml", ".txt") and path.parent.name != "sites"
)


def gb18030(text: str) -> bytes:
    return text.encode() + "# 肝脏\n".encode("gb18030")


def null(text: str) -> bytes:
    return text.encode() + b"# \0\n"


def cut(text: str) -> bytes:
    return text.encode()[:-2]


def key_that_stands_twice(text: str) -> bytes:
    lines = text.splitlines(keepends=True)
    first = next(line for line in lines if line[0].isalpha() and ":" in line)
    return (text + first.split(":")[0] + ": again\n").encode()


def key_nobody_knows(text: str) -> bytes:
    return (text + "colour: blue\n").encode()


def line_out_of_place(text: str) -> bytes:
    return (text + "- [unclosed\n").encode()


@pytest.mark.parametrize(
    "edit",
    [gb18030, null, cut, key_that_stands_twice, key_nobody_knows, line_out_of_place],
    ids=name_of,
)
def test_a_document_that_an_edit_damaged_is_refused_by_its_name(
    copy: Path, edit: Callable[[str], bytes]
) -> None:
    documents = [path for path in DOCUMENTS if path.suffix == ".yaml"]
    for document in documents:
        (copy / document).write_bytes(edit((ROOT / document).read_text(encoding="utf-8")))
    told = problems(copy)
    lines = {where.rpartition(":")[0] for where in told if where.rpartition(":")[2].isdigit()}
    assert {f"{path.parent.name}/{path.name}" for path in documents} <= lines


@pytest.mark.parametrize("edit", [gb18030, null, cut, line_out_of_place], ids=name_of)
def test_a_vocabulary_that_an_edit_damaged_is_refused_by_its_line(
    copy: Path, edit: Callable[[str], bytes]
) -> None:
    name = "deidentification/descriptor_vocabulary.txt"
    (copy / name).write_bytes(edit((ROOT / name).read_text(encoding="utf-8")))
    [where] = problems(copy)
    assert where.startswith(f"{name}:")


def test_excel_marks_and_line_ends_change_no_document(copy: Path) -> None:
    for document in DOCUMENTS:
        content = (ROOT / document).read_bytes().replace(b"\n", b"\r\n")
        (copy / document).write_bytes(b"\xef\xbb\xbf" + content)
    assert problems(copy) == []


@pytest.mark.parametrize("name", ["rules/50_more.yml", "contrast_agents (1).csv"])
def test_a_file_that_nothing_reads_is_told(copy: Path, name: str) -> None:
    (copy / LABELS / name).write_text("rules: []\n", encoding="utf-8")
    assert problems(copy) == [f"{Path(LABELS, name).parent.name}/{Path(name).name}"]


def test_a_table_that_is_gone_is_told(copy: Path) -> None:
    (copy / LABELS / "contrast_agents.csv").unlink()
    assert problems(copy) == [f"{LABELS}/contrast_agents.csv"]


@pytest.mark.parametrize("table", [t for t in TABLES if t.text], ids=name_of)
def test_a_table_of_a_home_is_told(tmp_path: Path, table: Signed) -> None:
    path = put(tmp_path, table, lines_of(table)[0] + b"\n,\n")
    [problem] = problems_of_home(Zones(tmp_path / "home"))
    assert problem.where.endswith(f"{path.name}:2")


def test_a_kept_copy_of_the_label_tables_that_was_changed_is_told(tmp_path: Path) -> None:
    zones = Zones(tmp_path / "home")
    version = use_rules(zones).mapping_version
    assert problems_of_home(zones) == []
    kept = zones.operations / "label_rules" / version
    path = kept / LABELS / "contrast_agents.csv"
    path.write_bytes(stray_quote_before_the_last_cell(named("contrast_agents.csv"))[0])
    told = [problem.where for problem in problems_of_home(zones)]
    base = f"operations/label_rules/{version}"
    assert told == [base, f"{base}/{LABELS}/contrast_agents.csv:3"]
