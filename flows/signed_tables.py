"""Every signed table, read as a night would read it, before a night or a release begins.

A table that cannot be used stops everything before the first file is touched: rules that are
half read label a cohort wrongly, and nobody sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from flows.deployments import parse_cohort_schedules
from schemas.conformity import read_known_lines
from schemas.dicom.deciding_attributes import read_deciding_attributes
from schemas.dispositions import read_dispositions
from schemas.errors import ContractError
from schemas.finding_texts import parse_finding_texts
from schemas.package_data import data_contracts_dir
from schemas.protocol import (
    options_in_force,
    parse_evidence,
    parse_protocol,
    parse_reasons,
    read_protocol,
    read_register,
    use_signatures,
)
from schemas.rule_tables import TableError, attempt, read_signed, table_name
from schemas.run.sites import parse_registered_sites, read_site_file
from schemas.run.zones import Zones
from schemas.signatures import Signature, parse_signatures, signed_register
from schemas.source_verification import read_fields, read_risks
from schemas.study_dates import read_study_dates
from schemas.tables.contracts import parse_contracts
from tasks.clinical.form_contracts import (
    parse_conventions,
    parse_form_contracts,
    read_form_contract,
)
from tasks.convert.sidecar import read_sidecar_keys
from tasks.datalist.cohorts import parse_cohorts
from tasks.deidentify.rules.dropped import read_dropped
from tasks.deidentify.rules.encoder_notes import read_encoder_notes
from tasks.deidentify.rules.profile import read_profile
from tasks.deidentify.search.store_accepted_words import ACCEPTED_NAME, read_accepted
from tasks.eligibility.store import read_roles, roles_file
from tasks.evaluate.rules import parse_matching_rules
from tasks.harmonise.store_rules import (
    decisions_file,
    kept_problems,
    kept_tables,
    read_overrides,
    table_problems,
)
from tasks.inspect.rules import FILES as INSPECTION_FILES
from tasks.inspect.rules import read_rules as read_inspection_rules
from tasks.measure.catalogue import FILES as MEASURE_FILES
from tasks.measure.catalogue import read_catalogue
from tasks.publish.sharing import parse_gates
from tasks.validate.store import read_suites, read_waivers, suite_files, waivers_file

Read = Callable[[], object]
#: Words and programs beside the tables.
_NO_TABLES = frozenset({".md", ".py", ".pyc", ".typed"})


@dataclass(frozen=True)
class CheckedTables:
    """How many files were read, and every problem in them."""

    files: int
    problems: tuple[ContractError, ...]


def require_signed_tables(zones: Zones) -> None:
    """Refuse to begin while a signed table cannot be used.

    Raises
    ------
    ContractError
        Names the first problem by file and line, and says how many there are.
    """
    problems = check_signed_tables(zones).problems
    if problems:
        raise TableError.of(list(problems))
    use_signed_decisions(zones)


def check_signed_tables(zones: Zones) -> CheckedTables:
    """Read the tables of the package and those of a home; the same files are read once."""
    root = data_contracts_dir()
    files = (*_files(root), *suite_files(), *_files_of_home(zones))
    state = tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    return CheckedTables(len(files), _checked(root, zones, state))


@lru_cache(maxsize=1)
def _checked(
    root: Path, zones: Zones, _state: tuple[tuple[Path, int, int], ...]
) -> tuple[ContractError, ...]:
    found = (*problems_of_package(root), *problems_of_home(zones))
    return tuple({problem.message: problem for problem in found}.values())


def problems_of_package(root: Path) -> list[ContractError]:
    """Return every problem of the tables below `root`, laid out like `data_contracts`."""
    problems = [_unread(path) for path in _files(root) if not _is_read(path, root)]
    for read in _reads(root):
        attempt(read, problems)
    problems += table_problems(root)
    if not problems:  # the suites are checked against the contracts
        contracts = parse_contracts(root / "cohort")
        attempt(partial(read_suites, contracts=contracts), problems)
    return problems


def problems_of_home(zones: Zones) -> list[ContractError]:
    """Return every problem of the tables that people keep in a home."""
    problems = kept_problems(zones)
    for read in (
        partial(read_overrides, zones),
        partial(read_waivers, zones),
        partial(read_roles, zones),
        partial(_require_signable, zones),
        partial(read_accepted, zones.restricted / ACCEPTED_NAME),
    ):
        attempt(read, problems)
    return problems


def _reads(root: Path) -> list[Read]:
    protocol, forms, sites = root / "protocol", root / "site_delivery", root / "sites"
    return [
        partial(read_deciding_attributes, root / "conversion" / "deciding_attributes.csv"),
        partial(read_inspection_rules, root / "inspection"),
        partial(read_catalogue, root / "measure"),
        partial(read_dispositions, root / "inspection" / "dispositions.csv"),
        partial(read_encoder_notes, root / "deidentification" / "encoder_notes.csv"),
        partial(read_study_dates, protocol / "study_dates.csv"),
        partial(parse_cohort_schedules, sites / "cohort.yaml"),
        partial(read_sidecar_keys, root / "conversion" / "sidecar_keys.csv"),
        partial(read_profile, root / "deidentification"),
        partial(read_dropped, root / "deidentification" / "dropped.csv"),
        partial(read_known_lines, root / "deidentification" / "validator_lines.csv"),
        partial(parse_contracts, root / "cohort"),
        partial(parse_contracts, root / "operations"),
        partial(parse_contracts, root / "evaluation"),
        partial(parse_matching_rules, root / "evaluation" / "matching_rules.csv"),
        partial(parse_form_contracts, forms),
        partial(read_form_contract, forms / "linkage.yaml"),
        partial(parse_conventions, forms / "conventions.yaml"),
        partial(_read_protocol, protocol),
        partial(parse_reasons, protocol / "reasons.yaml"),
        partial(parse_evidence, protocol / "evidence.yaml"),
        *(
            partial(parse_finding_texts, folder / "findings.yaml")
            for folder in (protocol, forms, root / "sequence_labels", root / "measure")
        ),
        partial(parse_registered_sites, sites / "sites.csv"),
        *(partial(read_site_file, path) for path in sorted(sites.glob("S*.yaml"))),
        partial(_read_gates, root / "sharing" / "resman.csv"),
        partial(_read_cohorts, root / "sharing" / "cohorts.csv"),
        partial(read_risks, root / "verification" / "risks.csv"),
        partial(_require_fields_of_forms, root),
    ]


def _require_signable(zones: Zones) -> None:
    register = read_register(data_contracts_dir() / "protocol" / "decisions.csv")
    options_in_force(read_protocol(), signed_register(register, read_signatures(zones)))


def use_signed_decisions(zones: Zones) -> None:
    """Put the decisions that this home signed in force; they were checked with the tables."""
    use_signatures(read_signatures(zones))


def read_signatures(zones: Zones) -> tuple[Signature, ...]:
    """Return what this home signed, oldest first."""
    path = zones.signatures
    return parse_signatures(read_signed(path), path.name) if path.is_file() else ()


def _read_protocol(folder: Path) -> None:
    decisions = read_register(folder / "decisions.csv")
    options_in_force(parse_protocol(folder / "eligibility.yaml"), decisions)


def _require_fields_of_forms(root: Path) -> None:
    """Refuse a field that is to be verified and that no form has."""
    path = root / "verification" / "fields.csv"
    forms = parse_form_contracts(root / "site_delivery")
    known = {(name, one.name) for name, form in forms.items() for one in form.fields}
    for line, one in enumerate(read_fields(path), start=2):
        if (one.form, one.field) not in known:
            raise ContractError(
                f"{one.form}.{one.field} is no field of a form",
                where=f"{table_name(path)}:{line}",
                hint="Mend the row.",
            )


def _read_gates(path: Path) -> None:
    parse_gates(read_signed(path), table_name(path))


def _read_cohorts(path: Path) -> None:
    parse_cohorts(read_signed(path), table_name(path))


def _unread(path: Path) -> ContractError:
    return ContractError(
        "a file that nothing reads",
        expected="only the tables that are read, under their names",
        where=table_name(path),
        hint="Give it its right name, or take it away.",
    )


def _is_read(path: Path, root: Path) -> bool:
    """Return whether a reader knows a file: by its name, or as one of a kind."""
    place = path.relative_to(root)
    return str(place) in _NAMED or any(place.match(pattern) for pattern in _KINDS)


_NAMED = frozenset(
    {
        "conversion/deciding_attributes.csv",
        "conversion/sidecar_keys.csv",
        *(f"inspection/{name}" for name in INSPECTION_FILES),
        *(f"measure/{name}" for name in MEASURE_FILES),
        "measure/findings.yaml",
        "inspection/dispositions.csv",
        "deidentification/encoder_notes.csv",
        "protocol/study_dates.csv",
        "sequence_labels/idioms.csv",
        "sequence_labels/kernels.csv",
        "sites/cohort.yaml",
        "deidentification/blob_fields.csv",
        "deidentification/codes.csv",
        "deidentification/dropped.csv",
        "deidentification/validator_lines.csv",
        "deidentification/descriptor_vocabulary.txt",
        "deidentification/private_attributes.csv",
        "deidentification/profile.csv",
        "deidentification/words.csv",
        "cohort/code_lists.csv",
        "evaluation/code_lists.csv",
        "evaluation/matching_rules.csv",
        "operations/code_lists.csv",
        "protocol/decisions.csv",
        "protocol/eligibility.yaml",
        "protocol/evidence.yaml",
        "protocol/findings.yaml",
        "protocol/reasons.yaml",
        "sequence_labels/contrast_agents.csv",
        "sequence_labels/findings.yaml",
        "sequence_labels/phase_windows.csv",
        "sequence_labels/time_zero.csv",
        "sequence_labels/vocabulary.csv",
        "sharing/cohorts.csv",
        "sharing/resman.csv",
        "sites/sites.csv",
        "verification/fields.csv",
        "verification/risks.csv",
    }
)
#: Folders of which every file of the kind is read; what a name must be is checked there.
_KINDS = (
    "cohort/*.yaml",
    "evaluation/*.yaml",
    "operations/*.yaml",
    "site_delivery/*.yaml",
    "sequence_labels/rules/*.yaml",
    "sites/S*.yaml",
)


def _files(root: Path) -> tuple[Path, ...]:
    found = (path for path in root.rglob("*") if path.is_file() and path.name[0] != ".")
    return tuple(sorted(path for path in found if path.suffix not in _NO_TABLES))


def _files_of_home(zones: Zones) -> tuple[Path, ...]:
    kept = kept_tables(zones)
    accepted = zones.restricted / ACCEPTED_NAME
    home = (decisions_file(zones), waivers_file(zones), roles_file(zones))
    written = (*home, zones.signatures, accepted)
    copies = _files(kept) if kept.is_dir() else ()
    return (*copies, *(path for path in written if path.is_file()))
