"""Text as people type it: widths, cases and spaces that mean nothing."""

from __future__ import annotations

import re
import unicodedata

_NOISE = re.compile(r"[\s_]+")
_UNIT = re.compile(r"\(([^()]*)\)$")


def tidy(text: str) -> str:
    """Return `text` with full-width forms narrowed (NFKC) and the ends stripped."""
    return unicodedata.normalize("NFKC", text).strip()


def fold(text: str) -> str:
    """Return `text` so that width, case, spaces and underscores make no difference."""
    return _NOISE.sub("", tidy(text)).casefold()


def split_unit(heading: str) -> tuple[str, str | None]:
    """Return a heading folded, and apart from it the unit in its final brackets.

    `最大径（mm）` gives `最大径` and `mm`.
    """
    folded = fold(heading)
    match = _UNIT.search(folded)
    return (folded, None) if match is None else (folded[: match.start()], match.group(1))
