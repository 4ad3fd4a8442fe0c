"""The criteria in force as Markdown: limits, readings, decisions, reasons and evidence."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.protocol import (
    read_decisions,
    read_evidence,
    read_protocol,
    read_reasons,
)

#: State of a lesion, what leads to it, what becomes of I5 and E3.
_STATES = (
    (
        "proven",
        "a specimen of this lesion, or an untreated image three months or more after the MRI with "
        "a quiet conclusion, carries the class by an accepted route; or readers settled it",
        "decided by the windows and routes",
    ),
    (
        "contradicted",
        "class against tissue or follow-up; route against what was done; growth of a lesion called "
        "stable; an image after death; tissue of an unnamed lesion that no lesion is said to be",
        "undetermined (EVIDENCE_CONFLICT)",
    ),
    (
        "unproven",
        "the record that the route names is not there, is of another lesion, or was made after a "
        "treatment; the class cannot be read, or two rows of the form differ in it",
        "undetermined, or failed by a route that is not accepted or a window that has closed",
    ),
    ("pending", "no diagnosis yet, or a follow-up still open and too short", "undetermined"),
)


def render_protocol_markdown() -> str:
    """Return the protocol as the product decides it, one table for each part."""
    protocol = read_protocol()
    unsigned = [one.decision_id for one in read_decisions() if not one.signed]
    parts = [
        f"# Eligibility\n\nProtocol {protocol.protocol_version}. {len(unsigned)} of "
        f"{len(read_decisions())} decisions are unsigned and run with their proposal: "
        f"{' '.join(unsigned) or 'none'}.\n",
        _table(
            "Criteria",
            ("id", "kind", "criterion", "标准", "threshold"),
            ((c.id, c.kind, c.title_en, c.title_zh, c.threshold) for c in protocol.criteria),
        ),
        _table(
            "Limits",
            ("limit", "value", "unit", "reason", "source"),
            (
                (name, f"{one.value:g}", one.unit, one.reason, one.source)
                for name, one in protocol.limits.items()
            ),
        ),
        _table(
            "Readings",
            ("reading", "decisions replaced", "meaning", "含义"),
            (
                (r.id, " ".join(r.choices) or "none", r.title_en, r.title_zh)
                for r in protocol.readings
            ),
        ),
        _table(
            "Decisions",
            ("id", "criterion", "question", "in force", "alternatives", "decided by"),
            (
                (
                    d.decision_id,
                    d.criterion,
                    d.question,
                    d.option_chosen,
                    d.alternatives,
                    d.decided_by or "unsigned",
                )
                for d in read_decisions()
            ),
        ),
        _table("Reference standard of a lesion", ("state", "when", "I5 and E3"), _STATES)
        + "\nA subject is malignant with one proven malignant lesion, benign only when all are "
        "proven benign. Specimens or images of a lesion that the diagnosis form does not have, and "
        "rows of it without a number, leave a subject undetermined that is not proven malignant. "
        "The worked stories stand in `tests/golden/reference_stories.yaml` and "
        "`tests/golden/stranger_stories.yaml`.\n",
        _table(
            "Reasons",
            ("reason_code", "meaning", "含义"),
            ((r.code, r.en, r.zh) for r in read_reasons().values()),
        ),
        _table(
            "Evidence",
            ("missing_evidence", "meaning", "含义", "fact"),
            ((e.name, e.en, e.zh, e.fact) for e in read_evidence().values()),
        ),
    ]
    return "\n".join(parts)


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    body = "".join(f"| {line} |\n" for line in lines)
    return f"## {title}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n{body}"
