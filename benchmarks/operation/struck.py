"""What came of nights that were disturbed: a line for each, added to over many calls."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

#: Of every night: what may not be.
_WRONG = ("failed", "differs", "orphans", "outlive")


class Results:
    """Nights by the lines of a file; one that was not judged to its end left no line.

    It is read each time: several calls may add to it beside each other.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def _nights(self) -> list[dict[str, Any]]:
        lines = self._path.read_text("utf-8").splitlines() if self._path.is_file() else []
        return [json.loads(line) for line in lines]

    def keep(self, night: dict[str, Any]) -> None:
        """Add a night."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(night) + "\n")

    def kills(self, kind: str) -> int:
        """Return how many kills nights of a kind have had."""
        return sum(len(n.get("kills", ())) for n in self._nights if n["kind"] == kind)

    def full_disks(self, kind: str) -> int:
        """Return how many nights of a kind have met a disk that was too small for them."""
        return sum(_met_full_disk(night) for night in self._nights if night["kind"] == kind)

    def table(self) -> str:
        """Return two tables of Markdown: by kind of night, and by the stage that was struck."""
        kinds = sorted({night["kind"] for night in self._nights})
        struck = {kind: _stages([n for n in self._nights if n["kind"] == kind]) for kind in kinds}
        full = Counter(n["full"]["stage"] for n in self._nights if _met_full_disk(n))
        stages = sorted({stage for one in (*struck.values(), full) for stage in one})
        rows = [[stage, *(one[stage] for one in struck.values()), full[stage]] for stage in stages]
        sums = ["all", *(sum(one.values()) for one in struck.values()), sum(full.values())]
        by_kind = [self._of_kind(kind) for kind in kinds]
        return "\n\n".join(
            (
                _markdown(
                    "nights|kills|of the whole group|full disks|nights in all|torn|next night "
                    "failed|differs|orphans in work|processes that outlive|told, of asked|CPU s",
                    by_kind,
                ),
                _markdown("|".join(["struck in", *kinds, "full disks"]), [*rows, sums]),
            )
        )

    def _of_kind(self, kind: str) -> list[object]:
        nights = [night for night in self._nights if night["kind"] == kind]
        kills = [kill for night in nights for kill in night.get("kills", ())]
        strikes = [*kills, *(night["full"] for night in nights if "full" in night)]
        told = [one for night in nights for one in night["told"]]
        return [
            kind,
            len(kills),
            sum(kill["group"] for kill in kills),
            self.full_disks(kind),
            len(nights),
            sum(one["torn"] for one in strikes),
            *(sum(night[name] for night in nights) for name in _WRONG),
            f"{sum(told)} of {len(told)}",
            round(sum(night["cpu_s"] for night in nights)),
        ]


def _met_full_disk(night: dict[str, Any]) -> bool:
    return bool(night.get("full", {}).get("stage"))


def _stages(nights: list[dict[str, Any]]) -> Counter[str]:
    return Counter(_stage(kill["stage"]) for night in nights for kill in night.get("kills", ()))


def _stage(told: str) -> str:
    """Return the stage without the site that it was told with."""
    return told.partition(" ")[2] or told


def _markdown(head: str, rows: list[list[object]]) -> str:
    names = head.split("|")
    lines = [names, ["---", *("---:" for _ in names[1:])], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
