"""Rounds of verification on disk (restricted): the plan of each, and what came back.

A round lies in `restricted/verification/SITE/NUMBER/`; with its results it is closed, and the
next plan opens the next one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from schemas.errors import ContractError
from schemas.run.atomic_files import canonical_json, write_bytes
from schemas.run.zones import Zones
from tasks.verification.exchange import PlannedItem

_PLAN, _RESULTS = "plan.json", "results.json"


@dataclass(frozen=True)
class Round:
    """One round of a site; `results` is None while it is out."""

    number: int
    seed: str
    risk: str
    planned: Mapping[str, PlannedItem]
    results: Mapping[str, str] | None


def read_rounds(zones: Zones, site: str) -> list[Round]:
    """Return the rounds of a site, the first first.

    Raises
    ------
    ContractError
        If a file of them was damaged.
    """
    rounds = []
    for folder in sorted(_folder(zones, site).glob("[0-9]*")):
        plan = _read(folder / _PLAN)
        results = _read(folder / _RESULTS) if (folder / _RESULTS).is_file() else None
        try:
            items = [PlannedItem(**one) for one in plan["items"]]
            rounds.append(
                Round(
                    int(folder.name),
                    plan["seed"],
                    plan["risk"],
                    {one.item: one for one in items},
                    None if results is None else dict(results),
                )
            )
        except (KeyError, TypeError, ValueError):
            raise _damaged(folder / _PLAN) from None
    return rounds


def write_plan(
    zones: Zones, site: str, number: int, seed: str, risk: str, items: Iterable[PlannedItem]
) -> None:
    """Write the plan of a round."""
    plan = {"seed": seed, "risk": risk, "items": [asdict(one) for one in items]}
    path = _folder(zones, site) / f"{number:03}" / _PLAN
    write_bytes(path, canonical_json(plan), mode=0o600)


def write_results(zones: Zones, site: str, number: int, results: Mapping[str, str]) -> None:
    """Close a round with its results."""
    path = _folder(zones, site) / f"{number:03}" / _RESULTS
    write_bytes(path, canonical_json(dict(results)), mode=0o600)


def erase_from_verification(zones: Zones, site: str, subject_id: str) -> int:
    """Take the items of one subject out of every round; return how many went.

    The counts of a field stay: they name nobody.
    """
    gone = 0
    for one in read_rounds(zones, site):
        named = {key for key, item in one.planned.items() if item.subject_id == subject_id}
        if not named:
            continue
        gone += len(named)
        kept = [item for key, item in one.planned.items() if key not in named]
        write_plan(zones, site, one.number, one.seed, one.risk, kept)
        if one.results is not None:
            rest = {key: said for key, said in one.results.items() if key not in named}
            write_results(zones, site, one.number, rest)
    return gone


def _folder(zones: Zones, site: str) -> Path:
    return zones.restricted / "verification" / site


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise _damaged(path) from None


def _damaged(path: Path) -> ContractError:
    return ContractError(
        "a round of verification cannot be read",
        where=f"verification/{path.parent.parent.name}/{path.parent.name}/{path.name}",
        hint="Restore it from a backup.",
    )
