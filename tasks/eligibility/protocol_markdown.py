"""The criteria in force as Markdown: limits, readings, decisions, reasons and evidence."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.protocol import (
    read_decisions,
    read_evidence,
    read_protocol,
    read_reasons,
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
