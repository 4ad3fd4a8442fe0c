"""The kept decisions about held pixels: a log in `restricted/`, each line chained to the last.

The links are HMACs under a subkey of the master key, so nobody without it can write, change, drop
or move a line unseen; lines cut off at the end show against the head that the sealed anchors
remember (`schemas.vault.anchors`). A line that was written before its head counts: it is keyed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from schemas.errors import GateBlockedError, LivercohortError
from schemas.identifiers import Sha256
from schemas.pixel_decisions import Box, Outcome, PixelDecision, PixelDecisions, Scope
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones
from schemas.states import ReasonCode
from schemas.vault.anchors import Anchors, changing_anchors, read_anchors
from schemas.vault.keys import KeyRing, Purpose

LOG_NAME = "pixel_decisions.jsonl"
_FIRST_LINK = "0" * 64
_ID_DIGITS = 16


def decision_log(zones: Zones) -> Path:
    """Return where the decisions are kept."""
    return zones.restricted / LOG_NAME


def with_id(ring: KeyRing, decision: PixelDecision) -> PixelDecision:
    """Return the decision under its id: the same decision on the same day has the same."""
    text = _text(replace(decision, decision_id=""))
    made = ring.mac(Purpose.DECISIONS, "id", text).hex()[:_ID_DIGITS]
    return replace(decision, decision_id=made)


def read_decisions(zones: Zones, ring: KeyRing) -> PixelDecisions:
    """Return every decision, oldest first, after checking each link and the end.

    Raises
    ------
    GateBlockedError
        If a line was changed, dropped or moved, or lines are missing at the end.
    """
    return PixelDecisions(tuple(_read(zones, ring, read_anchors(zones, ring))[0]))


def record_decisions(
    zones: Zones, ring: KeyRing, decisions: Sequence[PixelDecision]
) -> tuple[PixelDecision, ...]:
    """Append decisions, all or none, and return those that were new, with their ids.

    One that stands there already and is in force is not written again.

    Raises
    ------
    GateBlockedError
        If the log is broken: it must be mended before anybody decides.
    """
    with changing_anchors(zones, ring) as change:
        known, link = _read(zones, ring, change.anchors)
        named = [with_id(ring, decision) for decision in decisions]
        latest = {(d.hold_id, d.question): d.decision_id for d in known}
        new = [d for d in named if latest.get((d.hold_id, d.question)) != d.decision_id]
        if not new:
            return ()
        path = decision_log(zones)
        lines = [path.read_text(encoding="utf-8")] if path.is_file() else []
        for decision in new:
            text = _text(decision)
            facts = {"decision": json.loads(text), "previous": link}
            link = _link(ring, link, text)
            lines.append(_line({**facts, "link": link}) + "\n")
        write_bytes(path, "".join(lines).encode(), mode=0o600)
        change.pixel_decisions(len(known) + len(new), link)
    return tuple(new)


def broken_decisions(zones: Zones, ring: KeyRing) -> list[str]:
    """Return what is wrong with the log, in words; nothing where it holds."""
    try:
        read_decisions(zones, ring)
    except LivercohortError as error:
        return [error.found]
    return []


def _read(zones: Zones, ring: KeyRing, anchors: Anchors | None) -> tuple[list[PixelDecision], str]:
    """Return the decisions and the last link."""
    path = decision_log(zones)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    links = [_FIRST_LINK]
    decisions = []
    for number, line in enumerate(lines, start=1):
        decision = _decision_of(line, links[-1], ring)
        if decision is None:
            raise _broken(f"line {number} of the kept decisions was changed, moved or cut")
        decisions.append(decision)
        links.append(json.loads(line)["link"])
    head = anchors.pixel_decisions if anchors is not None else ""
    count, _, link = head.partition(":")
    if head and (int(count) >= len(links) or links[int(count)] != link):
        raise _broken(f"{len(decisions)} decisions are kept, not the {count} that were made")
    return decisions, links[-1]


def _decision_of(line: str, previous: str, ring: KeyRing) -> PixelDecision | None:
    """Return the decision of a line that fits the chain; None for any other."""
    try:
        facts = json.loads(line)
        text = _line(facts["decision"])
        chained = facts["previous"] == previous and facts["link"] == _link(ring, previous, text)
        return _typed(facts["decision"]) if chained else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _typed(facts: dict[str, Any]) -> PixelDecision:
    until = facts["until"]
    return PixelDecision(
        **{name: facts[name] for name in ("decision_id", "site", "hold_id", "reviewer", "reason")},
        **{name: facts[name] for name in ("rows", "columns", "device", "by_rule", "follows")},
        held_for=ReasonCode(facts["held_for"]),
        outcome=Outcome(facts["outcome"]),
        digests=tuple(Sha256(one) for one in facts["digests"]),
        decided_on=dt.date.fromisoformat(facts["decided_on"]),
        boxes=tuple(Box(**one) for one in facts["boxes"]),
        scope=Scope(facts["scope"]),
        until=dt.date.fromisoformat(until) if until else None,
    )


def _text(decision: PixelDecision) -> str:
    facts = asdict(decision)
    facts["decided_on"] = decision.decided_on.isoformat()
    facts["until"] = decision.until.isoformat() if decision.until else ""
    return _line(facts)


def _line(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _link(ring: KeyRing, previous: str, text: str) -> str:
    return ring.mac(Purpose.DECISIONS, previous, text).hex()


def _broken(found: str) -> GateBlockedError:
    return GateBlockedError(
        found,
        where=f"restricted/{LOG_NAME}",
        hint="Somebody changed it. Restore it and restricted/anchors.sealed from backups of one "
        "day and tell who is responsible for data protection; nothing is decided before.",
    )
