"""Versions of the label tables on disk, and the reviewers' decisions of a home.

The version in force is kept below `operations/label_rules`. When a table of the package cannot
be used, it is refused by file, line and reason, and the version kept last stays in force.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from schemas.dicom import (
    contrast_agents,
    descriptor_idioms,
    descriptor_vocabulary,
    descriptors,
)
from schemas.dicom.features import InstanceFeatures
from schemas.errors import BadInputError, ContractError
from schemas.package_data import data_contracts_dir, use_label_tables
from schemas.records import CohortLabels
from schemas.rule_tables import attempt, read_signed
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones
from tasks.harmonise import matching, reconstruction, rules, text, vocabulary
from tasks.harmonise.differences import (
    Row,
    rule_differences,
    series_differences,
    string_differences,
)
from tasks.harmonise.exam import label_instances
from tasks.harmonise.overrides import Key, Override, parse_overrides, render_overrides
from tasks.harmonise.rules import Rule
from tasks.harmonise.store import read_strings
from tasks.harmonise.study_overrides import (
    StudyOverride,
    parse_study_overrides,
    render_study_overrides,
)
from tasks.harmonise.text import StringLabel

T = TypeVar("T")
_TABLES = ("sequence_labels", "deidentification/descriptor_vocabulary.txt")
_CURRENT = "current"
_TABLE_READERS: tuple[Callable[[], object], ...] = (
    descriptor_vocabulary.read_vocabulary,
    contrast_agents.read_agent_table,
    vocabulary.read_labels,
    vocabulary.read_phase_windows,
    vocabulary.read_rungs,
    descriptor_idioms.read_idioms,
    reconstruction.read_kernels,
)
_DECISIONS = "label_decisions.csv"
_STUDY_DECISIONS = "study_decisions.csv"


@dataclass(frozen=True)
class RulesInForce:
    """The version that labels are made with, and why the package's own was refused, if it was."""

    mapping_version: str
    refused: str | None = None

    @property
    def kept_version(self) -> str | None:
        """The earlier version that stays in force, None when the newest could be used."""
        return self.mapping_version if self.refused is not None else None


def require_tables() -> str:
    """Read every label table, try every example, and return the mapping version.

    Raises
    ------
    ContractError
        When a table cannot be used; names file, line and reason.
    """
    for read in _TABLE_READERS:
        read()
    matching.read_matcher()
    return rules.read_rules().mapping_version


def kept_tables(zones: Zones) -> Path:
    """Return where a home keeps the versions of the label tables it has used."""
    return zones.operations / "label_rules"


def table_problems(root: Path) -> list[ContractError]:
    """Return every line of the label tables below `root` that cannot be used.

    Parameters
    ----------
    root : Path
        A folder laid out like `data_contracts`. What was read before is forgotten.
    """
    problems: list[ContractError] = []
    _switch(root)
    try:
        for read in _TABLE_READERS:
            attempt(read, problems)
        files = [] if problems else rules.rule_files(root / "sequence_labels")
        for path in files:
            attempt(partial(rules.parse_rules, read_signed(path), f"rules/{path.name}"), problems)
        if not problems:
            attempt(matching.read_matcher, problems)
    finally:
        _switch(None)
    return problems


def kept_problems(zones: Zones) -> list[ContractError]:
    """Return what is wrong with the copy of the label tables that this home keeps."""
    kept = kept_tables(zones)
    if not (kept / _CURRENT).is_file():
        return []
    version = (kept / _CURRENT).read_text(encoding="utf-8", errors="replace").strip()
    where = f"operations/label_rules/{version}"
    copy = kept / version
    if _is_as_kept(copy):
        return []
    found = table_problems(copy) if copy.is_dir() else []
    changed = ContractError(
        "a kept copy of the label tables that is not what was kept",
        where=where,
        hint="Delete that folder and the file `current`: the next night keeps the tables anew.",
    )
    return [
        changed,
        *(ContractError(e.found, expected=e.expected, where=f"{where}/{e.where}") for e in found),
    ]


def _is_as_kept(copy: Path) -> bool:
    try:
        paths = rules.tables_of_labels(copy / "sequence_labels")
        return copy.name.partition("+")[2] == rules.mapping_version(paths).partition("+")[2]
    except OSError:
        return False


def use_rules(zones: Zones) -> RulesInForce:
    """Put the package's tables in force and keep a copy; else the copy that was kept last.

    Raises
    ------
    ContractError
        When the package's tables cannot be used and no version was kept.
    """
    kept = kept_tables(zones)
    _switch(None)
    try:
        version = require_tables()
    except ContractError as error:
        current = kept / _CURRENT
        if not current.is_file():
            raise
        _switch(kept / current.read_text(encoding="utf-8").strip())
        return RulesInForce(require_tables(), error.message)
    _keep(kept, version)
    return RulesInForce(version)


def _keep(kept: Path, version: str) -> None:
    if not (kept / version).is_dir():
        kept.mkdir(parents=True, exist_ok=True)
        staged = kept / f".{version}"
        shutil.rmtree(staged, ignore_errors=True)
        _copy_tables(data_contracts_dir(), staged)
        staged.rename(kept / version)
    current = kept / _CURRENT
    if not current.is_file() or current.read_text(encoding="utf-8") != version:
        write_bytes(current, version.encode())


def _copy_tables(source: Path, target: Path) -> None:
    for name in _TABLES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        else:
            shutil.copyfile(source / name, target / name)


def with_tables(root: Path | None, work: Callable[[], T]) -> T:
    """Run `work` with the label tables of another folder; None: the package's own."""
    _switch(root)
    try:
        require_tables()
        return work()
    finally:
        _switch(None)


def earlier_version(zones: Zones) -> Path:
    """Return the folder of the version kept before the one in force, newest first.

    Raises
    ------
    BadInputError
        When no other version was kept.
    """
    version = require_tables()
    kept = kept_tables(zones)
    others = [p for p in kept.glob("*") if p.is_dir() and p.name[0] != "." and p.name != version]
    if not others:
        raise BadInputError(
            "no earlier version of the rules was kept", hint="Name one with --against FOLDER."
        )
    return max(others, key=lambda path: (path.stat().st_mtime, path.name))


def difference_of_versions(
    root: Path, strings: Path | None, instances: Sequence[InstanceFeatures], zones: Zones
) -> list[Row]:
    """Return what the tables in force change against those below `root`.

    Parameters
    ----------
    root : Path
        A folder laid out like `data_contracts`.
    strings : Path or None
        A CSV of descriptions to compare labels on.
    instances : sequence of InstanceFeatures
        Series to compare labels and slots on; reviewers' decisions count on both sides.
    """
    rows = [row for _, row in read_strings(strings).rows] if strings is not None else []
    overrides = read_overrides(zones)

    def answers() -> tuple[Sequence[Rule], list[StringLabel], CohortLabels]:
        labels = label_instances(instances, overrides)
        return rules.read_rules().rules, text.label_strings(rows), labels

    old, new = with_tables(root, answers), with_tables(None, answers)
    return [
        *rule_differences(old[0], new[0]),
        *string_differences(rows, old[1], new[1]),
        *series_differences(old[2].series, new[2].series),
    ]


def _switch(root: Path | None) -> None:
    use_label_tables(root)
    for module in (vocabulary, rules, matching, text, reconstruction, descriptors,
                   descriptor_idioms, descriptor_vocabulary, contrast_agents):  # fmt: skip
        for value in vars(module).values():
            forget = getattr(value, "cache_clear", None)
            if forget is not None:
                forget()


def read_overrides(zones: Zones) -> dict[Key, Override]:
    """Return the reviewers' decisions of this home; none when there is no file.

    Raises
    ------
    ContractError
        When the file cannot be used; names line and reason.
    """
    path = decisions_file(zones)
    if not path.is_file():
        return {}
    return parse_overrides(read_signed(path), path.name)


def add_overrides(zones: Zones, overrides: Iterable[Override]) -> int:
    """Add decisions to those of this home; a newer one about a sub-stack replaces the older."""
    merged = read_overrides(zones) | {o.key: o for o in overrides}
    path = decisions_file(zones)
    write_bytes(path, render_overrides(merged.values()).encode("utf-8"))
    return len(merged)


def read_study_overrides(zones: Zones) -> dict[str, StudyOverride]:
    """Return the reviewers' decisions about studies of this home; none when there is no file.

    Raises
    ------
    ContractError
        When the file cannot be used; names line and reason.
    """
    path = decisions_file(zones).with_name(_STUDY_DECISIONS)
    if not path.is_file():
        return {}
    return parse_study_overrides(path.read_text(encoding="utf-8"), path.name)


def add_study_overrides(zones: Zones, overrides: Iterable[StudyOverride]) -> int:
    """Add decisions about studies to those of this home; a newer one replaces the older."""
    merged = read_study_overrides(zones) | {o.study_uid: o for o in overrides}
    path = decisions_file(zones).with_name(_STUDY_DECISIONS)
    write_bytes(path, render_study_overrides(merged.values()).encode("utf-8"))
    return len(merged)


def decisions_file(zones: Zones) -> Path:
    """Return where the reviewers' decisions about labels lie in a home."""
    return zones.restricted / "review" / _DECISIONS
