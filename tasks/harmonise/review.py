"""The review queue: what nobody could label, one row for each pattern, with room to decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.errors import ContractError
from schemas.features import InstanceFeatures
from schemas.records import SeriesLabel
from schemas.sub_stacks import group_by_series
from tasks.harmonise.overrides import Override, make_override
from tasks.harmonise.vocabulary import UNCLASSIFIED, read_labels

_SEPARATOR = "|"
_UNSURE = frozenset({UNCLASSIFIED, "MR_T1_POST", "CT_CE", "MR_T1_DYN", "CT_MULTI"})
QUEUE_COLUMNS = (
    "site",
    "modality",
    "vendor",
    "words",
    "label",
    "tier",
    "n_series",
    "candidates",
    "missing",
    "evidence",
    "sub_stacks",
    "decision",
    "author",
    "date",
    "reason",
)


@dataclass
class _Pattern:
    sub_stacks: list[str] = field(default_factory=list)
    evidence: set[str] = field(default_factory=set)
    candidates: set[str] = field(default_factory=set)
    timed: int = 0


def review_queue(
    labels: Iterable[SeriesLabel], instances: Sequence[InstanceFeatures]
) -> list[dict[str, object]]:
    """Return one row for each pattern that needs a person, most series first.

    A pattern is a site, modality, vendor, the technique words of the description, label and
    tier. Only cleaned words appear, never the text of a site.

    Parameters
    ----------
    labels : iterable of SeriesLabel
        Output of `tasks.harmonise.exam.label_instances`.
    instances : sequence of InstanceFeatures
        What was labelled.
    """
    first = {uid: members[0] for uid, members in group_by_series(instances).items()}
    patterns: dict[tuple[str, ...], _Pattern] = {}
    for row in labels:
        if row.label not in _UNSURE or row.modality not in ("CT", "MR"):
            continue
        facts = first[row.series_uid]
        site = (row.subject_id or "").partition("-")[0]
        words = facts.series_description
        key = (site, row.modality, facts.manufacturer or "", words, row.label, row.label_tier)
        found = patterns.setdefault(key, _Pattern())
        found.sub_stacks.append(f"{row.series_uid}/{row.sub_stack_digest}")
        found.evidence.update(e.partition(" ")[0] for e in row.label_evidence)
        found.candidates.update(_candidates(row))
        found.timed += facts.acquisition_time_s is not None
    ordered = sorted(patterns.items(), key=lambda item: (-len(item[1].sub_stacks), item[0]))
    return [_queue_row(key, found) for key, found in ordered]


def read_decisions(rows: Iterable[Mapping[str, str]], file_name: str) -> list[Override]:
    """Return the decisions of a filled queue, one for each sub-stack of a decided row.

    Raises
    ------
    ContractError
        For a decision without author, date or reason, or with a label that does not exist;
        the message names file and line.
    """
    overrides = []
    for number, row in enumerate(rows, start=2):
        where = f"{file_name}:{number}"
        if not (row.get("decision") or "").strip():
            continue
        names = (row.get("sub_stacks") or "").split(_SEPARATOR)
        if names == [""]:
            raise ContractError("a decision about no sub-stack", where=where)
        for name in names:
            series_uid, _, digest = name.partition("/")
            key = {"series_uid": series_uid, "sub_stack_digest": digest}
            overrides.append(make_override({**row, **key, "label": row["decision"]}, where))
    return overrides


def _queue_row(key: tuple[str, ...], found: _Pattern) -> dict[str, object]:
    site, modality, vendor, words, label, tier = key
    missing = [] if words else ["description"]
    if found.timed < len(found.sub_stacks):
        missing.append("acquisition time")
    if not any(e.startswith(("TIME-ZERO", "AGENT")) for e in found.evidence):
        missing.append("start of injection")
    values = (
        *(site, modality, vendor, words, label, tier, len(found.sub_stacks)),
        _SEPARATOR.join(sorted(found.candidates)),
        _SEPARATOR.join(missing),
        _SEPARATOR.join(sorted(found.evidence)),
        _SEPARATOR.join(sorted(found.sub_stacks)),
        *("", "", "", ""),
    )
    return dict(zip(QUEUE_COLUMNS, values, strict=True))


def _candidates(row: SeriesLabel) -> set[str]:
    """Return the labels that the solver held to be the best and the second best."""
    phases = set()
    for evidence in row.label_evidence:
        if evidence.startswith("PHASE-SOLVED "):
            best, runner_up, _ = evidence.partition("=")[2].split(",")
            phases |= {best, runner_up.removeprefix("next=")}
    if "late" in phases:
        phases |= {"del", "trans"}
    return {
        name
        for name, definition in read_labels().items()
        if definition.contrast_phase in phases and row.modality in definition.modalities
    }
