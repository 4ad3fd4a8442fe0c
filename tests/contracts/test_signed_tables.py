"""Every signed table under every ordinary edit: read as it was, or refused by file and line.

What a spreadsheet program does to a table that nobody changed is accepted, and every row means
what it meant. What could lose, join or shift a row is refused; no edit ends as anything else.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from flows.signed_tables import check_signed_tables, problems_of_home, problems_of_package
from schemas.decisions import parse_decisions
from schemas.dicom.contrast_agents import read_agents
from schemas.dicom.deciding_attributes import read_deciding_attributes
from schemas.dicom.descriptor_idioms import read_idiom_table
from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.rule_tables import problems_of
from schemas.run.sites import parse_registered_sites
from schemas.run.zones import Zones
from schemas.signatures import parse_signatures
from schemas.source_verification import read_fields, read_risks
from schemas.study_dates import read_study_dates
from schemas.tables.contracts import read_code_lists
from tasks.convert.sidecar import read_sidecar_keys
from tasks.datalist.cohorts import parse_cohorts
from tasks.deidentify.rules.dropped import read_dropped
from tasks.deidentify.rules.encoder_notes import read_encoder_notes
from tasks.deidentify.rules.profile import read_profile
from tasks.deidentify.search.store_accepted_words import ACCEPTED_NAME, read_accepted
from tasks.eligibility.store import read_roles, roles_file
from tasks.evaluate.rules import parse_matching_rules
from tasks.harmonise.reconstruction import read_kernel_table
from tasks.harmonise.store_rules import decisions_file, read_overrides, use_rules
from tasks.harmonise.vocabulary import parse_labels, parse_phase_windows, parse_rungs
from tasks.measure.catalogue import read_catalogue
from tasks.publish.sharing import parse_gates
from tasks.validate.store import known_rules, waivers_file
from tasks.validate.waivers import parse_waivers

ROOT = data_contracts_dir()
KNOWN = known_rules()
Cells = list[list[str]]

ROLES = """\
subject_id,analysis_role,model_version,assigned_by,assigned_on,document
S91-ABCDEFG2,phase1_validation,1.0,PI,2026-12-01,"minutes 7, item 2"
S91-ABCDEFG3,phase2_development,1.0,PI,2026-12-01,minutes 7
S91-ABCDEFG4,phase2_validation,1.0,PI,2026-12-01,minutes 7
"""
DECISIONS = """\
series_uid,sub_stack_digest,label,author,date,reason
1.2.3,0123456789abcdef,CT_ART,li,2026-11-20,"seen, and measured"
1.2.4,0123456789abcdef,CT_NC,li,2026-11-20,seen
1.2.5,0123456789abcdef,CT_PVP,li,2026-11-20,seen
"""
WAIVERS = """\
rule_id,object_type,object_id,author,reason,granted_on,expires_on,closes_as
VOL-PROOF,nifti_volume,v1,L. Chen,"looked at, by hand",2026-11-01,2026-12-01,wont_fix
VOL-PROOF,nifti_volume,v2,L. Chen,looked at by hand,2026-11-01,2026-12-01,wont_fix
VOL-PROOF,nifti_volume,v3,L. Chen,looked at by hand,2026-11-01,2026-12-01,confirmed_as_is
"""
ACCEPTED_WORDS = """\
site,kind,value,decided_by,date,reason
S91,physician,Lin,li,2026-11-20,"a word of the protocol, no name"
S91,hospital,Liver,li,2026-11-20,an organ and no hospital
S92,physician,Lin,li,2026-11-20,a word of the protocol
"""
SIGNATURES = """\
decision_id,option_chosen,decided_by,date,document
D05,a,li,2026-11-20,"minutes 7, item 2"
D06,a,li,2026-11-20,minutes 7
D07,a,li,2026-11-20,minutes 7
"""


@dataclass(frozen=True)
class Signed:
    """One table: how it is read from a folder that holds it under its path."""

    path: str
    read: Callable[[Path], object]
    key: tuple[str, ...]
    stated: str = "reason"
    text: str = ""

    @property
    def content(self) -> bytes:
        return self.text.encode() or (ROOT / self.path).read_bytes()


def _of_bytes(parse: Callable[[bytes, str], object], path: Path) -> object:
    return parse(path.read_bytes(), path.name)


def _of_file(read: Callable[[Path], object], path: Path) -> object:
    return read(path)


def _of_folder(read: Callable[[Path], object], path: Path) -> object:
    return read(path.parent)


def _of_home(read: Callable[[Zones], object], path: Path) -> object:
    return read(Zones(next(p for p in path.parents if p.name == "home")))


def profile_rows(folder: Path) -> object:
    profile = read_profile(folder)
    told: list[dict[str, object]] = []
    told += ({**vars(rule), "contract": rule.contract.text} for rule in profile.all_rules())
    told += ({**vars(rule), "contract": rule.contract.text} for rule in profile.all_private_rules())
    told += ({**vars(one), "contract": one.contract.text} for one in profile.all_blob_fields())
    return told, profile.word_lists, profile.codes


PROFILE = partial(_of_folder, profile_rows)
CODES = partial(_of_folder, read_code_lists)
LABELS = "sequence_labels"
HOME = Zones(Path("home"))
TABLES = [
    Signed("conversion/sidecar_keys.csv", partial(_of_file, read_sidecar_keys), ("key",)),
    Signed(
        "conversion/deciding_attributes.csv",
        partial(_of_file, read_deciding_attributes),
        ("creator", "tag"),
    ),
    Signed(
        "deidentification/encoder_notes.csv",
        partial(_of_file, read_encoder_notes),
        ("kind", "value"),
    ),
    Signed("measure/metrics.csv", partial(_of_folder, read_catalogue), ("metric",)),
    Signed("measure/parameters.csv", partial(_of_folder, read_catalogue), ("parameter",)),
    Signed("measure/phase_order.csv", partial(_of_folder, read_catalogue), ("earlier", "later")),
    Signed("protocol/study_dates.csv", partial(_of_file, read_study_dates), ("kind", "value")),
    Signed("verification/risks.csv", partial(_of_file, read_risks), ("risk",)),
    Signed("verification/fields.csv", partial(_of_file, read_fields), ("form", "field")),
    Signed("deidentification/profile.csv", PROFILE, ("tag", "where")),
    Signed("deidentification/private_attributes.csv", PROFILE, ("creator", "group", "element")),
    Signed("deidentification/blob_fields.csv", PROFILE, ("block", "field")),
    Signed("deidentification/words.csv", PROFILE, ("list", "kind", "value")),
    Signed("deidentification/codes.csv", PROFILE, ("list", "scheme", "value"), "source"),
    Signed("deidentification/dropped.csv", partial(_of_file, read_dropped), ("tag",)),
    Signed("cohort/code_lists.csv", CODES, ("code_list", "code"), "label_zh"),
    Signed("operations/code_lists.csv", CODES, ("code_list", "code"), "label_zh"),
    Signed("evaluation/code_lists.csv", CODES, ("code_list", "code"), "label_zh"),
    Signed("evaluation/matching_rules.csv", partial(_of_file, parse_matching_rules), ("rule_id",)),
    Signed("protocol/decisions.csv", partial(_of_bytes, parse_decisions), ("decision_id",)),
    Signed(f"{LABELS}/contrast_agents.csv", partial(_of_file, read_agents), ("synonym",)),
    Signed(f"{LABELS}/idioms.csv", partial(_of_file, read_idiom_table), ("name",)),
    Signed(f"{LABELS}/kernels.csv", partial(_of_file, read_kernel_table), ("pattern",)),
    Signed(
        f"{LABELS}/phase_windows.csv",
        partial(_of_bytes, parse_phase_windows),
        ("modality", "phase", "agent"),
    ),
    Signed(f"{LABELS}/time_zero.csv", partial(_of_bytes, parse_rungs), ("rung",)),
    Signed(f"{LABELS}/vocabulary.csv", partial(_of_bytes, parse_labels), ("label",)),
    Signed("sharing/cohorts.csv", partial(_of_bytes, parse_cohorts), ("cohort",)),
    Signed("sharing/resman.csv", partial(_of_bytes, parse_gates), ("gate",)),
    Signed("sites/sites.csv", partial(_of_file, parse_registered_sites), ("site_code",), "name_zh"),
    Signed(
        str(roles_file(HOME)), partial(_of_home, read_roles), ("subject_id",), "document", ROLES
    ),
    Signed(
        str(decisions_file(HOME)),
        partial(_of_home, read_overrides),
        ("series_uid", "sub_stack_digest"),
        "reason",
        DECISIONS,
    ),
    Signed(
        str(waivers_file(HOME)),
        partial(_of_bytes, lambda data, _: parse_waivers(data, KNOWN)),
        ("rule_id", "object_type", "object_id"),
        "reason",
        WAIVERS,
    ),
    Signed(
        str(HOME.restricted / ACCEPTED_NAME),
        partial(_of_file, read_accepted),
        ("site", "kind", "value"),
        "reason",
        ACCEPTED_WORDS,
    ),
    # What was signed may be signed again.
    Signed(str(HOME.signatures), partial(_of_bytes, parse_signatures), (), "document", SIGNATURES),
]
IN_PACKAGE = [table for table in TABLES if not table.text]


def cells_of(table: Signed) -> Cells:
    return list(csv.reader(io.StringIO(table.content.decode(), newline=""), strict=True))


def written(cells: Cells, **how: object) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n", **how).writerows(cells)  # type: ignore[arg-type]  # csv's own options
    return stream.getvalue().encode()


def lines_of(table: Signed) -> list[bytes]:
    return table.content.split(b"\n")[:-1]


def with_line(table: Signed, number: int, line: bytes) -> bytes:
    lines = lines_of(table)
    lines[number - 1] = line
    return b"\n".join(lines) + b"\n"


def column(table: Signed, name: str) -> int:
    return cells_of(table)[0].index(name)


def with_cell(table: Signed, row: int, name: str, value: str) -> bytes:
    cells = cells_of(table)
    cells[row - 1][column(table, name)] = value
    return written(cells)


def every_row(table: Signed, change: Callable[[list[str]], list[str]]) -> bytes:
    return written([change(row) for row in cells_of(table)])


# What changes no row.
def mark_of_excel(table: Signed) -> bytes:
    return b"\xef\xbb\xbf" + table.content


def line_ends_of_excel(table: Signed) -> bytes:
    return table.content.replace(b"\n", b"\r\n")


def saved_by_excel(table: Signed) -> bytes:
    return mark_of_excel(table).replace(b"\n", b"\r\n")


def every_cell_in_quotes(table: Signed) -> bytes:
    return written(cells_of(table), quoting=csv.QUOTE_ALL)


def blank_line_between(table: Signed) -> bytes:
    return with_line(table, 2, lines_of(table)[1] + b"\n\n")


def blank_lines_below(table: Signed) -> bytes:
    return table.content + b"\n\r\n"


def blanks_around_cells(table: Signed) -> bytes:
    return every_row(table, lambda row: [f" {cell} " for cell in row])


ACCEPTED = [
    mark_of_excel,
    line_ends_of_excel,
    saved_by_excel,
    every_cell_in_quotes,
    blank_line_between,
    blank_lines_below,
    blanks_around_cells,
]


# What could lose, join or shift a row, or say what nobody reads. The line is that of the edit.
def with_open_quote(table: Signed, number: int) -> bytes:
    *others, last = cells_of(table)[number - 1]
    return with_line(table, number, written([others])[:-1] + b',"' + last.encode())


def stray_quote_before_the_last_cell(table: Signed) -> tuple[bytes, int]:
    return with_open_quote(table, 3), 3


def quote_never_closed_at_the_end(table: Signed) -> tuple[bytes, int]:
    lines = lines_of(table)
    head, _, tail = lines[-1].rpartition(b",")
    return with_line(table, len(lines), head + b',"' + tail), len(lines)


def quote_before_the_first_cell(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, b'"' + lines_of(table)[2]), 3


def two_quotes_lines_apart(table: Signed) -> tuple[bytes, int]:
    return with_open_quote(table, 2).removesuffix(b"\n") + b'"\n', 2


def quote_inside_a_cell(table: Signed) -> tuple[bytes, int]:
    line = lines_of(table)[2]
    return with_line(table, 3, line[:-2] + b'"' + line[-2:]), 3


def cell_too_many(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + b",more"), 3


def comma_without_quotes(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + b", or another"), 3


def cell_too_few(table: Signed) -> tuple[bytes, int]:
    cells = cells_of(table)
    cells[2].pop()
    return written(cells), 3


def row_of_commas(table: Signed) -> tuple[bytes, int]:
    width = len(cells_of(table)[0])
    return table.content + b"," * (width - 1) + b"\n", len(lines_of(table)) + 1


def two_rows_on_one_line(table: Signed) -> tuple[bytes, int]:
    lines = lines_of(table)
    return b"\n".join([lines[0], lines[1] + lines[2], *lines[3:]]) + b"\n", 2


def column_missing(table: Signed) -> tuple[bytes, int]:
    return every_row(table, lambda row: row[:-1]), 1


def column_more(table: Signed) -> tuple[bytes, int]:
    return every_row(table, lambda row: [*row, "note"]), 1


def column_without_a_name(table: Signed) -> tuple[bytes, int]:
    return every_row(table, lambda row: [*row, ""]), 1


def column_renamed(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 1, lines_of(table)[0] + b"s"), 1


def columns_swapped(table: Signed) -> tuple[bytes, int]:
    return every_row(table, lambda row: [row[1], row[0], *row[2:]]), 1


def names_of_columns_swapped(table: Signed) -> tuple[bytes, int]:
    cells = cells_of(table)
    cells[0] = [cells[0][1], cells[0][0], *cells[0][2:]]
    return written(cells), 1


def column_named_twice(table: Signed) -> tuple[bytes, int]:
    cells = cells_of(table)
    cells[0][-1] = cells[0][0]
    return written(cells), 1


def first_line_lost(table: Signed) -> tuple[bytes, int]:
    return b"\n".join(lines_of(table)[1:]) + b"\n", 1


def row_twice(table: Signed) -> tuple[bytes, int]:
    lines = lines_of(table)
    return table.content + lines[1] + b"\n", len(lines) + 1


def key_twice(table: Signed) -> tuple[bytes, int]:
    cells = cells_of(table)
    for name in table.key:
        cells[2][column(table, name)] = cells[1][column(table, name)]
    return written(cells), 3


def stated_cell_empty(table: Signed) -> tuple[bytes, int]:
    return with_cell(table, 3, table.stated, ""), 3


def stated_cell_of_blanks(table: Signed) -> tuple[bytes, int]:
    return with_cell(table, 3, table.stated, " \u3000 "), 3


def saved_as_gb18030(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + "肝脏".encode("gb18030")), 3


def one_byte_of_latin_1(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + b"\xe9"), 3


def saved_as_unicode_text(table: Signed) -> tuple[bytes, int]:
    return table.content.decode().replace(",", "\t").encode("utf-16"), 1


def null_byte(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + b"\0"), 3


def invisible_character(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + "\u200b".encode()), 3


def character_that_a_program_could_not_read(table: Signed) -> tuple[bytes, int]:
    return with_line(table, 3, lines_of(table)[2] + "\ufffd".encode()), 3


def line_break_in_a_cell(table: Signed) -> tuple[bytes, int]:
    return with_cell(table, 3, table.stated, "one\ntwo"), 3


def line_ends_of_old_macs(table: Signed) -> tuple[bytes, int]:
    return table.content.replace(b"\n", b"\r"), 1


def semicolons_for_commas(table: Signed) -> tuple[bytes, int]:
    return written(cells_of(table), delimiter=";"), 1


def last_line_cut_in_its_last_cell(table: Signed) -> tuple[bytes, int]:
    return table.content[:-3], len(lines_of(table))


def last_line_cut_in_half(table: Signed) -> tuple[bytes, int]:
    lines = lines_of(table)
    return table.content[: -len(lines[-1]) // 2 - 1], len(lines)


def cut_behind_the_last_cell(table: Signed) -> tuple[bytes, int]:
    return table.content[:-1], len(lines_of(table))


REFUSED = [
    stray_quote_before_the_last_cell,
    quote_never_closed_at_the_end,
    quote_before_the_first_cell,
    two_quotes_lines_apart,
    quote_inside_a_cell,
    cell_too_many,
    comma_without_quotes,
    cell_too_few,
    row_of_commas,
    two_rows_on_one_line,
    column_missing,
    column_more,
    column_without_a_name,
    column_renamed,
    columns_swapped,
    names_of_columns_swapped,
    column_named_twice,
    first_line_lost,
    row_twice,
    key_twice,
    stated_cell_empty,
    stated_cell_of_blanks,
    saved_as_gb18030,
    one_byte_of_latin_1,
    saved_as_unicode_text,
    null_byte,
    invisible_character,
    character_that_a_program_could_not_read,
    line_break_in_a_cell,
    line_ends_of_old_macs,
    semicolons_for_commas,
    last_line_cut_in_its_last_cell,
    last_line_cut_in_half,
    cut_behind_the_last_cell,
]


#: Of a table without a key a row may come again.
REFUSALS = [
    (table, edit)
    for table in TABLES
    for edit in REFUSED
    if table.key or edit not in (row_twice, key_twice)
]


def name_of(value: object) -> str:
    return value.path if isinstance(value, Signed) else getattr(value, "__name__", "")


def put(folder: Path, table: Signed, content: bytes) -> Path:
    """Write a table below a folder, with those it is read together with."""
    path = folder / table.path
    if table.text:
        path.parent.mkdir(parents=True)
    else:
        shutil.copytree((ROOT / table.path).parent, path.parent)
    path.write_bytes(content)
    return path


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


def named(name: str) -> Signed:
    return next(table for table in TABLES if table.path.endswith(name))
