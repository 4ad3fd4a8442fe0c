"""The review queue: what nobody could label, one row for each pattern, with room to decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import group_by_series
from schemas.errors import BadInputError
from schemas.records import SeriesLabel
from tasks.harmonise.overrides import Key, Override, make_override
from tasks.harmonise.vocabulary import UNCLASSIFIED, read_labels

_SEPARATOR = "|"
#: How many rows of a refused queue an error names.
_SHOWN = 10
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


def read_decisions(
    rows: Iterable[tuple[int, Mapping[str, str]]],
    file_name: str,
    *,
    known: Mapping[Key, str | None],
    standing: Mapping[Key, Override],
    today: date,
) -> list[Override]:
    """Return the decisions of a filled queue, one for each sub-stack of a decided row.

    Parameters
    ----------
    rows : iterable of (int, mapping)
        Line and cells of the queue.
    file_name : str
        What errors call the file.
    known : mapping
        Modality of every sub-stack that there is, by key.
    standing : mapping
        The decisions that stand already.
    today : date
        Nobody decides later than that.

    Raises
    ------
    BadInputError
        If any row cannot be used: without author, date or reason, of another day than one gone
        by, with a label that does not exist or is not of the modality, about a sub-stack that
        there is not, that another row decides otherwise, or about which a later decision
        stands. The message names the file and every such line; nothing of the file counts.
    """
    found: dict[Key, tuple[Override, int]] = {}
    refused: list[str] = []
    for line, row in rows:
        where = f"{file_name}:{line}"
        if not (row.get("decision") or "").strip():
            continue
        try:
            for override in _decisions_of(row, where):
                _require_possible(override, where, known, today)
                _require_alone(override, where, found, standing)
                found.setdefault(override.key, (override, line))
        except BadInputError as error:
            refused.append(error.message)
    if refused:
        more = f"; and {len(refused) - _SHOWN} rows more" if len(refused) > _SHOWN else ""
        raise BadInputError("no decision was taken in: " + "; ".join(refused[:_SHOWN]) + more)
    return [override for override, _ in found.values()]


def _decisions_of(row: Mapping[str, str], where: str) -> Iterator[Override]:
    names = (row.get("sub_stacks") or "").split(_SEPARATOR)
    if names == [""]:
        raise BadInputError("a decision about no sub-stack", where=where)
    for name in names:
        series_uid, _, digest = name.partition("/")
        key = {"series_uid": series_uid, "sub_stack_digest": digest}
        yield make_override({**row, **key, "label": row["decision"]}, where)


def _require_possible(
    override: Override, where: str, known: Mapping[Key, str | None], today: date
) -> None:
    if override.key not in known:
        raise BadInputError(
            "a sub-stack that is not there, or not any more",
            expected="one of the queue as it is now",
            where=where,
        )
    modality = known[override.key] or "no modality"
    if modality not in read_labels()[override.label].modalities:
        raise BadInputError(
            f"{override.label} for a series of {modality}",
            expected=f"a label of {modality}",
            where=where,
        )
    if override.day > today.isoformat():
        raise BadInputError(f"the date {override.day}", expected=f"{today} or earlier", where=where)


def _require_alone(
    override: Override,
    where: str,
    found: Mapping[Key, tuple[Override, int]],
    standing: Mapping[Key, Override],
) -> None:
    if override.key in found and found[override.key][0].label != override.label:
        first, line = found[override.key]
        raise BadInputError(
            f"{override.label} for a sub-stack that line {line} calls {first.label}",
            expected="one decision",
            where=where,
        )
    earlier = standing.get(override.key)
    if earlier is not None and override.day < earlier.day:
        raise BadInputError(
            f"a decision of {override.day} about a sub-stack decided on {earlier.day}",
            expected="the same day or later",
            where=where,
        )


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
