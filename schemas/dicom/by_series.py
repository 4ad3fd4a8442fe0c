"""What was learned of series, found again for each file by what seems to be its series.

Files of many series may lie in one folder in any order. A file is held only against what was
learned from its own series, so the order costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from typing import Generic, NamedTuple, TypeVar

_Learned = TypeVar("_Learned")
#: SeriesInstanceUID (0020,000E), little endian.
_SERIES_UID = b"\x20\x00\x0e\x00"
_HINT_WITHIN_BYTES = 1 << 20
#: Slices of one series may be laid out in a few ways, the first of a volume unlike the others.
_MOST_OF_ONE = 4
#: Of headers, as they stand in files; what is learned from one takes a few times as much.
_MOST_BYTES = 8 << 20


def series_hint(data: bytes) -> bytes:
    """Return bytes that are the same in files of one series, most likely its UID.

    Found by the tag alone, wherever its bytes stand first: it may say where to look, and
    nothing else may follow from it. Empty where there is none.
    """
    at = data.find(_SERIES_UID, 0, _HINT_WITHIN_BYTES)
    if at < 0:
        return b""
    length = data[at + 6 : at + 8] if data[at + 4 : at + 6] == b"UI" else data[at + 4 : at + 8]
    return data[at + 8 : at + 8 + int.from_bytes(length, "little")]


class _Kept(NamedTuple, Generic[_Learned]):
    learned: _Learned
    n_bytes: int


class BySeries(Generic[_Learned]):
    """What was learned, by series, the last used last; the oldest are forgotten (restricted)."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._known: OrderedDict[bytes, list[_Kept[_Learned]]] = OrderedDict()
        self._most_bytes = most_bytes
        self._n_bytes = 0

    def of(self, data: bytes) -> Iterator[_Learned]:
        """Yield what was learned from the series of a file, the last used first."""
        hint = series_hint(data)
        if hint in self._known:
            self._known.move_to_end(hint)
        yield from [kept.learned for kept in self._known.get(hint, ())]

    def all(self) -> Iterator[_Learned]:
        """Yield what was learned from any series, the last used first."""
        kept = list(chain.from_iterable(reversed(self._known.values())))
        yield from [k.learned for k in kept]

    def keep(self, data: bytes, learned: _Learned, n_bytes: int) -> None:
        """Put what a file taught, or helped with, before all else of its series.

        Parameters
        ----------
        data : bytes
            The file.
        learned
            What is kept.
        n_bytes : int
            Of the header that it holds.
        """
        hint = series_hint(data)
        before = self._known.pop(hint, [])
        if before and before[0].learned is learned:
            self._known[hint] = before
            return
        others = [k for k in before if k.learned is not learned]
        now = [_Kept(learned, n_bytes), *others][:_MOST_OF_ONE]
        self._known[hint] = now
        self._n_bytes += sum(k.n_bytes for k in now) - sum(k.n_bytes for k in before)
        while self._n_bytes > self._most_bytes and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._n_bytes -= sum(k.n_bytes for k in oldest)
