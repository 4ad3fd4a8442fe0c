"""Read the suites and validate tables with them: the one place that reads `expectations/`."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import yaml

from schemas.errors import ContractError, GateBlockedError
from schemas.finding_texts import read_finding_texts
from schemas.hospital_day import hospital_today
from schemas.package_data import data_contracts_dir, expectations_dir
from schemas.records import Finding
from schemas.rule_tables import TableError, attempt, read_signed
from schemas.run.settings import QUIET_ENVIRONMENT
from schemas.run.zones import Zones
from schemas.states import Severity
from schemas.tables.contracts import TableContract, read_table_contracts
from schemas.tables.parted_tables import PartedTable
from tasks.validate.conformity import Violation, check_conformity
from tasks.validate.engine import Outcome, run_rules
from tasks.validate.frames import (
    INSTANCE_FEATURES,
    PUBLISHED_IMAGES,
    SQL_ONLY,
    columns_for_rules,
    key_columns,
    prepare_frames,
)
from tasks.validate.plain import run_plain_rules
from tasks.validate.report import ValidationReport, build_report, sites_of_rows
from tasks.validate.store_sql import require_sql_runs, run_sql_rules
from tasks.validate.suites import (
    Stage,
    Suite,
    parse_suite,
    require_sql_on,
    require_unique_ids,
)
from tasks.validate.waivers import FILE_NAME, Waiver, apply_waivers, parse_waivers

#: Made after validation: findings are its result, and the release names itself last.
_MADE_LATER = frozenset({"finding", "release"})
_FINDING_TEXTS = ("site_delivery/findings.yaml", "protocol/findings.yaml")


def suite_files(folder: Path | None = None) -> list[Path]:
    """Return the files of all suites, by name; default: those that ship."""
    return sorted((folder or expectations_dir()).glob("*.yaml"))


def read_suites(
    folder: Path | None = None, contracts: Mapping[str, TableContract] | None = None
) -> dict[str, Suite]:
    """Read all suites, by table.

    Parameters
    ----------
    folder : Path, optional
        Folder of `<table>.yaml`; default: the one that ships.
    contracts : mapping of str to TableContract, optional
        Contracts the rules are checked against; default: the ones that ship.

    Raises
    ------
    ContractError
        If a suite cannot be used; names file, line and reason.
    """
    contracts = contracts or read_table_contracts()
    columns = columns_for_rules(contracts)
    problems: list[ContractError] = []
    read = (
        attempt(partial(parse_suite, read_signed(path), path.name, columns), problems)
        for path in suite_files(folder)
    )
    suites = {suite.suite: suite for suite in read if suite is not None}
    if problems:
        raise TableError.of(problems)
    if not suites:
        raise ContractError("no suite found", where="expectations")
    require_unique_ids(suites)
    require_sql_on(SQL_ONLY, suites)
    require_sql_runs(suites, contracts)
    return suites


def validate_tables(
    tables: Mapping[str, pa.Table],
    stage: Stage,
    *,
    suites: Mapping[str, Suite] | None = None,
    instances: pa.Table | None = None,
    images: PartedTable | None = None,
) -> ValidationReport:
    """Validate published tables: contracts first, then the rules of the stage.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        Tables as `schemas.tables.contracts.conform` makes them. Over a batch, those it has; over a
        release, all but `finding` and `release`: one that is missing blocks.
    stage : Stage
        BATCH or RELEASE.
    suites : mapping of str to Suite, optional
        Default: the ones that ship.
    instances : pyarrow.Table, optional
        One row per image as `InstanceFeatures`; without it the rules on images do not apply.
    images : PartedTable, optional
        The table `instance` of a release, of which no more than one site is held at a time.

    Returns
    -------
    ValidationReport
        Every failing row is a finding; a rule that cannot run is a blocker, never passed.
    """
    os.environ.update(QUIET_ENVIRONMENT)  # before Great Expectations is first imported
    contracts = read_table_contracts()
    suites = suites if suites is not None else read_suites()
    required = sorted(contracts.keys() - _MADE_LATER) if stage is Stage.RELEASE else []
    violations = check_conformity(tables, contracts, required)
    if images is not None:
        violations = _with_images(violations, images, contracts)
    unusable = {item.table for item in violations if item.rule_id == "CON-COLUMNS"}
    usable = {n: table for n, table in tables.items() if n not in unusable}
    frames = prepare_frames(usable)
    seen = usable | {name: pa.Table.from_pandas(frames[name]) for name in frames.keys() - usable}
    if instances is not None:
        seen[INSTANCE_FEATURES] = instances
    if images is not None and PUBLISHED_IMAGES not in unusable:
        seen[PUBLISHED_IMAGES] = images.dataset()
    keys = {name: key_columns(name, contracts) for name in seen}
    rules = {name: suite.at(stage) for name, suite in suites.items()}
    # A release asks Great Expectations about everything; loading it is a third of a small night.
    plain, left = run_plain_rules(rules, frames, keys) if stage is Stage.BATCH else ([], rules)
    outcomes = [*plain, *run_rules(left, frames, keys), *run_sql_rules(rules, seen, keys)]
    sites = {name: sites_of_rows(frame, keys[name]) for name, frame in frames.items()}
    if PUBLISHED_IMAGES in seen:
        sites[PUBLISHED_IMAGES] = _sites_of_images(seen[PUBLISHED_IMAGES], outcomes)
    return build_report(outcomes, violations, _words(), sites, contracts)


def _with_images(
    violations: Sequence[Violation], images: PartedTable, contracts: Mapping[str, TableContract]
) -> list[Violation]:
    """Return the violations with those of the images, each site looked at alone.

    A series has one subject, so no key can be in two parts; the rules look at all together.
    """
    missing = (violation.table == PUBLISHED_IMAGES for violation in violations)
    found = [v for v, is_of_images in zip(violations, missing, strict=True) if not is_of_images]
    for table in [images.schema.empty_table(), *images.tables()]:
        found += check_conformity({PUBLISHED_IMAGES: table}, contracts)
    return found


def _sites_of_images(
    table: pa.Table | ds.Dataset, outcomes: Iterable[Outcome]
) -> dict[tuple[str, ...], str]:
    """Return key → site of the images at fault only: a cohort has millions."""
    key = key_columns(PUBLISHED_IMAGES, read_table_contracts())
    own = (outcome for outcome in outcomes if outcome.table == PUBLISHED_IMAGES)
    series = sorted({row.key[0] for outcome in own for row in outcome.failing})
    if not series:
        return {}
    names, wanted = [*key, "subject_id"], pa.array(series, pa.string())
    if isinstance(table, pa.Table):
        rows = table.filter(pc.is_in(table[key[0]], value_set=wanted)).select(names)
    else:
        rows = table.to_table(columns=names, filter=ds.field(key[0]).isin(wanted))
    return sites_of_rows(rows.to_pandas(), key)


def require_passed(findings: Iterable[Finding], waived: Collection[str] = ()) -> None:
    """Raise GateBlockedError when a blocker stands that is not waived; names the rules only."""
    blocking = [
        f for f in findings if f.severity is Severity.BLOCKER and f.finding_id not in waived
    ]
    blockers = sorted({finding.rule_id for finding in blocking})
    if blockers:
        raise GateBlockedError(
            f"findings of severity blocker: {', '.join(blockers)}",
            hint="Look at the findings of the run; each says who does what.",
        )


def read_waived(zones: Zones, findings: Iterable[Finding]) -> dict[str, str]:
    """Return finding id → how its query closes, of findings that are waived today.

    Raises
    ------
    ContractError
        If the file of waivers has a row that cannot be used; names file and line.
    """
    return apply_waivers(findings, read_waivers(zones), hospital_today())


def read_waivers(zones: Zones) -> tuple[Waiver, ...]:
    """Return the waivers of this home; none while nobody has written any."""
    path = waivers_file(zones)
    return parse_waivers(read_signed(path), known_rules()) if path.is_file() else ()


def waivers_file(zones: Zones) -> Path:
    """Return where the waivers of a home lie."""
    return zones.operations / FILE_NAME


def known_rules() -> frozenset[str]:
    """Return the ids of all rules that can give a finding."""
    suites = (r.meta.rule_id for suite in read_suites().values() for r in suite.expectations)
    texts = (read_finding_texts(data_contracts_dir() / name) for name in _FINDING_TEXTS)
    return frozenset(suites) | frozenset(_words()) | {rule for listed in texts for rule in listed}


@cache
def _words() -> dict[str, dict[str, str]]:
    text = files("tasks.validate").joinpath("rule_words.yaml").read_text(encoding="utf-8")
    return {row["rule_id"]: row for row in yaml.safe_load(text)}
