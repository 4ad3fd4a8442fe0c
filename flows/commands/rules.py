"""`livercohort rules`: rules in force, their differences, the review queue, its decisions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flows.commands.console import Row
from schemas.dicom.features import InstanceFeatures
from schemas.errors import BadInputError, ContractError
from schemas.run.zones import Zones


def render_rules(stage: str) -> str:
    """Return the rules of a stage, or of all, as Markdown."""
    from tasks.deidentify.rules.rules_markdown import render_rules_markdown
    from tasks.eligibility.protocol_markdown import render_protocol_markdown
    from tasks.harmonise.render import render_label_rules_markdown

    parts = {
        "deidentification": render_rules_markdown,
        "labels": render_label_rules_markdown,
        "eligibility": render_protocol_markdown,
    }
    if stage not in (*parts, "all"):
        known = [*parts, "all", "check", "diff", "review", "decide"]
        raise BadInputError(f"no rules are called {stage}", expected=", ".join(known))
    return "\n".join(
        render().rstrip("\n") for name, render in parts.items() if stage in (name, "all")
    )


def table_rows(zones: Zones) -> tuple[int, list[dict[str, str | int]]]:
    """Return how many signed files were read, and every problem in them by file and line."""
    from flows.signed_tables import check_signed_tables

    checked = check_signed_tables(zones)
    return checked.files, [_problem_row(problem) for problem in checked.problems]


def _problem_row(problem: ContractError) -> dict[str, str | int]:
    file, _, line = problem.where.rpartition(":")
    if not line.isdigit():
        file, line = problem.where, "0"
    return {
        "file": file,
        "line": int(line),
        "found": problem.found,
        "expected": problem.expected,
        "to_do": problem.hint,
    }


def difference_rows(
    zones: Zones, *, against: Path | None, strings: Path | None, folder: Path | None
) -> tuple[list[Row], Sequence[str]]:
    """Return what changes from other label tables to those in force, on strings and series."""
    from tasks.harmonise.differences import COLUMNS
    from tasks.harmonise.store_rules import difference_of_versions, earlier_version

    root = against or earlier_version(zones)
    if not (root / "sequence_labels").is_dir():
        raise BadInputError("no label tables there", expected="a folder with sequence_labels/")
    instances = [] if strings is not None and folder is None else _instances(zones, folder)
    return list(difference_of_versions(root, strings, instances, zones)), COLUMNS


def review_rows(zones: Zones, *, folder: Path | None) -> tuple[list[Row], Sequence[str]]:
    """Return the review queue of a folder, or of everything this home has committed."""
    from tasks.harmonise.exam import label_instances
    from tasks.harmonise.review import QUEUE_COLUMNS, review_queue
    from tasks.harmonise.store_rules import read_overrides, read_study_overrides
    from tasks.harmonise.study_review import study_queue

    instances = _instances(zones, folder)
    labels = label_instances(
        instances, read_overrides(zones), study_overrides=read_study_overrides(zones)
    )
    rows: list[Row] = [
        *review_queue(labels.series, instances),
        *study_queue(labels.studies, labels.series),
    ]
    return rows, QUEUE_COLUMNS


def decide(file: Path | None, zones: Zones, *, folder: Path | None) -> str:
    """Take the decisions of a filled queue into this home and say how many stand."""
    from flows.free_text import require_clean_texts
    from schemas.hospital_day import hospital_today
    from schemas.run.settings import read_settings
    from tasks.harmonise.exam import label_instances
    from tasks.harmonise.review import read_decisions
    from tasks.harmonise.store import read_queue
    from tasks.harmonise.store_rules import (
        add_overrides,
        add_study_overrides,
        read_overrides,
        read_study_overrides,
    )
    from tasks.harmonise.study_review import is_about_study, read_study_decisions

    if file is None:
        raise BadInputError("no queue is named", expected="livercohort rules decide QUEUE.csv")
    rows = read_queue(file)
    labels = label_instances(_instances(zones, folder))
    decisions = read_decisions(
        [row for row in rows if not is_about_study(row[1])],
        file.name,
        known={(row.series_uid, row.sub_stack_digest): row.modality for row in labels.series},
        standing=read_overrides(zones),
        today=hospital_today(),
    )
    about_studies = read_study_decisions(
        [row for row in rows if is_about_study(row[1])],
        file.name,
        known=[study.study_uid for study in labels.studies],
        standing=read_study_overrides(zones),
        today=hospital_today(),
    )
    typed = [f"{one.author}\n{one.reason}" for one in decisions]
    typed += [f"{one.author}\n{one.reason}" for one in about_studies]
    require_clean_texts(read_settings(), {f"author or reason of {file.name}": "\n".join(typed)})
    standing = add_overrides(zones, decisions) + add_study_overrides(zones, about_studies)
    return f"{len(decisions) + len(about_studies)} decisions taken in, {standing} stand"


def _instances(zones: Zones, folder: Path | None) -> list[InstanceFeatures]:
    from schemas.tables.warehouse import read_all_instances
    from tasks.harmonise.store import features_of_folder

    if folder is not None:
        return features_of_folder(folder)
    return read_all_instances(zones)
