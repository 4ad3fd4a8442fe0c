"""What stands beside a release's tables: words, counts, ids, examples. Reads the release before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from schemas.run.atomic_files import canonical_json
from tasks.publish.diff.compare import ROW_ADDED, ROW_REMOVED
from tasks.publish.diff.id_history import (
    ID_HISTORY,
    REMOVED_IDS,
    OldId,
    RemovedSubject,
    extend_history,
    history_csv,
    id_tables,
    parse_history,
    parse_removed,
    removed_csv,
)
from tasks.publish.diff.reasons import ERASED
from tasks.publish.disclosure import (
    SHARED_COUNTS,
    SHARED_PER_SITE,
    counts_csv,
    flow_counts,
    parse_counts,
    protect,
)
from tasks.publish.documents.bids import bids_files
from tasks.publish.documents.conformity import conformity_files
from tasks.publish.documents.dictionary import (
    DICTIONARY_COLUMNS,
    data_dictionary,
    dictionary_html,
    dictionary_rows,
)
from tasks.publish.documents.diff_files import (
    changelog_lines,
    diff_documents,
    summary,
)
from tasks.publish.documents.protocols import protocols_page
from tasks.publish.documents.store_excel import workbook
from tasks.publish.documents.words import changelog, examples, readme
from tasks.publish.release_plan import Plan
from tasks.publish.store_database import view_columns
from tasks.publish.views import DEFAULT_READING

VALIDATION = "validation.json"


def read_documents(plan: Plan) -> dict[str, bytes]:
    """Return the documents of a release by path; some go on from those of the one before."""
    before = plan.previous.name if plan.previous else None
    rows = plan.rows
    columns = view_columns(plan.contracts)
    lines = ["First release."]
    if before:
        lines = summary_lines(summary(before, plan.version, plan.differences))
    return {
        "README.md": readme(plan.version, plan.facts, rows),
        "CHANGELOG.md": changelog(plan.version, lines, _text(plan.previous, "CHANGELOG.md")),
        "data_dictionary.csv": data_dictionary(plan.contracts, columns),
        "data_dictionary.html": dictionary_html(plan.contracts, columns),
        "data_dictionary.xlsx": workbook(
            "dictionary", DICTIONARY_COLUMNS, dictionary_rows(plan.contracts, columns)
        ),
        "protocols.md": protocols_page(plan.tables["protocol_variant"].to_pylist()),
        "decisions.csv": plan.facts.decisions_csv,
        **_validation(plan),
        **conformity_files(
            plan.facts.conformity, plan.tables["series"].column("series_uid").to_pylist()
        ),
        SHARED_COUNTS: _shared_counts(plan),
        ID_HISTORY: history_csv(_history(plan)),
        REMOVED_IDS: removed_csv(_removed(plan)),
        **diff_documents(before, plan.version, plan.differences),
        **examples(),
        **bids_files(plan.version, plan.facts),
    }


def _validation(plan: Plan) -> dict[str, bytes]:
    given = plan.facts.validation
    return {} if given is None else {VALIDATION: canonical_json(given)}


def _shared_counts(plan: Plan) -> bytes:
    rows = plan.tables["stard_flow"].to_pylist()
    before = parse_counts(_text(plan.previous, SHARED_COUNTS))
    held = protect(flow_counts(rows, SHARED_PER_SITE, DEFAULT_READING), before)
    return counts_csv(held)


def _history(plan: Plan) -> list[OldId]:
    if plan.previous is None:
        return []
    rows = plan.differences.rows
    rows = rows.filter(pc.is_in(rows["table"], value_set=pa.array(id_tables())))
    after = plan.differences.successors
    gone = [
        OldId(
            table=row["table"],
            old_id=row["key"],
            subject_id=row["subject_id"],
            last_release=plan.previous.name,
            successor=after.get((row["table"], row["key"]), ""),
            reason=row["reason"],
        )
        for row in rows.filter(pc.equal(rows["kind"], ROW_REMOVED)).to_pylist()
    ]
    added = rows.filter(pc.equal(rows["kind"], ROW_ADDED))
    back = frozenset(zip(added["table"].to_pylist(), added["key"].to_pylist(), strict=True))
    history = parse_history(_text(plan.previous, ID_HISTORY))
    removed = frozenset(plan.differences.subjects_removed)
    return extend_history(history, gone, back, removed)


def _removed(plan: Plan) -> list[RemovedSubject]:
    """Return who was removed up to this release; who came back is released again.

    Somebody who left earlier and was erased since is listed as erased.
    """
    known = {row.subject_id: row for row in parse_removed(_text(plan.previous, REMOVED_IDS))}
    known |= {
        subject: replace(row, reason=ERASED)
        for subject, row in known.items()
        if plan.facts.kept_out.get(subject) == ERASED
    }
    known |= {
        subject: RemovedSubject(subject, plan.version, reason)
        for subject, reason in plan.differences.removed_because.items()
    }
    for subject in plan.differences.subjects_added:
        known.pop(subject, None)
    return sorted(known.values())


def summary_lines(numbers: Mapping[str, Any]) -> list[str]:
    """Return a difference in words, one line for each kind of change."""
    return changelog_lines(numbers, _reason_words())


def _text(release: Path | None, name: str) -> str:
    if release is None or not (release / name).is_file():
        return ""
    return (release / name).read_text(encoding="utf-8")


@cache
def _reason_words() -> dict[str, str]:
    text = files("tasks.publish").joinpath("change_reasons.yaml").read_text(encoding="utf-8")
    return {row["reason"]: row["text_en"] for row in yaml.safe_load(text)}
