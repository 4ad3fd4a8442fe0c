"""What the audit says of what was done to an object, as its plan has it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tasks.deidentify.plan.actions import ElementAction, options_run


def trail_of(actions: Sequence[ElementAction]) -> tuple[str, ...]:
    """Return what was done by tag: `TAG:action`, below a sequence `TAG/TAG:action`.

    What happened more than once below a sequence has its number behind it.
    """
    counts = Counter(step for action in actions for step in action.steps)
    return tuple(f"{step}*{n}" if n > 1 else step for step, n in sorted(counts.items()))


def options_of(actions: Sequence[ElementAction]) -> tuple[str, ...]:
    """Return the parts of PS3.15 annex E that ran, by name."""
    return tuple(sorted(str(option) for option in options_run(actions)))
