"""Every signed table: where it lies, how it is read, and its cells."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from schemas.conformity import read_known_lines
from schemas.decisions import parse_decisions
from schemas.dicom.contrast_agents import read_agents
from schemas.dicom.deciding_attributes import read_deciding_attributes
from schemas.dicom.descriptor_idioms import read_idiom_table
from schemas.package_data import data_contracts_dir
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
from tasks.harmonise.store_rules import decisions_file, read_overrides
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
    Signed(
        "deidentification/validator_lines.csv",
        partial(_of_file, read_known_lines),
        ("line",),
        "source",
    ),
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


def named(name: str) -> Signed:
    return next(table for table in TABLES if table.path.endswith(name))
