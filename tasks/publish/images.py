"""Which images of all batches are in force, and which of them have to be looked at together. Pure.

By columns: a cohort has millions of images, and a record of each would need tens of gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.identifiers import SiteCode

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]
#: Hashes are compared in so many stretches, so that never all of them are sorted at once.
_STRETCHES = 32


@dataclass(frozen=True, kw_only=True)
class SiteImages:
    """What is known of the images of a site without reading them again.

    Parameters
    ----------
    site : SiteCode
        Whose batches.
    subjects, studies, series : frozenset of str
        Whatever one of its images names, in force or not.
    hashes : array of uint64
        One of each SOPInstanceUID, sorted: equal UIDs have equal hashes.
    """

    site: SiteCode
    subjects: frozenset[str] = field(repr=False)
    studies: frozenset[str] = field(repr=False)
    series: frozenset[str] = field(repr=False)
    hashes: NDArray[np.uint64] = field(repr=False)


def joined_sites(sites: Sequence[SiteImages]) -> list[tuple[SiteCode, ...]]:
    """Return the sites in groups: two are in one where an image, series, study or person may be.

    A study whose images came from two hospitals is one exam. Nearly always each site is alone.
    """
    group = list(range(len(sites)))

    def join(one: int, other: int) -> None:
        low, high = sorted((group[one], group[other]))
        group[:] = [low if number == high else number for number in group]

    first: dict[tuple[str, str], int] = {}
    for number, site in enumerate(sites):
        for kind in ("subjects", "studies", "series"):
            for name in getattr(site, kind):
                other = first.setdefault((kind, name), number)
                if other != number:
                    join(other, number)
    for one, other in _sharing([site.hashes for site in sites]):
        join(one, other)
    found: dict[int, list[SiteCode]] = {}
    for number, site in enumerate(sites):
        found.setdefault(group[number], []).append(site.site)
    return sorted(tuple(sorted(own)) for own in found.values())


def _sharing(hashes: Sequence[NDArray[np.uint64]]) -> Iterator[tuple[int, int]]:
    """Yield the places of arrays that have a value in common."""
    step = 2**64 // _STRETCHES
    for number in range(_STRETCHES if len(hashes) > 1 else 0):
        low, high = np.uint64(number * step), np.uint64((number + 1) * step - 1)
        parts = [
            own[np.searchsorted(own, low) : np.searchsorted(own, high, side="right")]
            for own in hashes
        ]
        of = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        values = np.concatenate(parts)
        order = np.argsort(values, kind="stable")
        same = np.flatnonzero(values[order][1:] == values[order][:-1])
        pairs = np.unique(np.stack([of[order[same]], of[order[same + 1]]]), axis=1)
        yield from ((int(one), int(other)) for one, other in pairs.T if one != other)


def taken_rows(sop_uids: Sequence[pa.ChunkedArray], held: Iterable[str]) -> list[Mask]:
    """Return for each batch, earliest first, which of its rows are in force.

    Of an image in several batches it is the first row; without a SOPInstanceUID, or held, none.
    """
    codes, names = codes_of(sop_uids)
    first = np.zeros(len(codes), bool)
    first[np.unique(codes, return_index=True)[1]] = True
    barred = pc.is_in(names, value_set=pa.array(sorted(held), pa.string()))
    is_held = np.append(barred.to_numpy(zero_copy_only=False), [True])  # -1, no UID, is the last
    mask = first & ~is_held[codes]
    bounds = np.cumsum([len(one) for one in sop_uids])[:-1]
    return list(np.split(mask, bounds))


def codes_of(columns: Sequence[pa.ChunkedArray]) -> tuple[Numbers, pa.Array]:
    """Return a number for each text of columns one after another, -1 for none; and the texts."""
    chunks = [chunk for column in columns for chunk in column.chunks]
    whole = pa.chunked_array(chunks, pa.string()).combine_chunks()
    whole = whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
    encoded = pc.dictionary_encode(whole)
    numbers = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return numbers.astype(np.int64), encoded.dictionary


def components(columns: Sequence[Numbers]) -> Numbers:
    """Return a number for each row, equal where rows hang together by a value of some column.

    Rows with the same number of one column are together (-1: none), and whoever is together
    with one of them.
    """
    label = np.arange(len(columns[0]), dtype=np.int64)
    while True:
        before = label.copy()
        for codes in columns:
            has = np.flatnonzero(codes >= 0)
            least = np.full(int(codes.max(initial=-1)) + 1, len(label), np.int64)
            np.minimum.at(least, codes[has], label[has])
            label[has] = np.minimum(label[has], least[codes[has]])
        if np.array_equal(before, label):
            return label


def packs(component: Numbers, limit: int) -> list[Numbers]:
    """Return rows in packs of whole components: as few as reach `limit` rows."""
    order = np.argsort(component, kind="stable")
    starts = np.flatnonzero(np.diff(component[order], prepend=-1))
    found: list[Numbers] = []
    begin = 0
    for end in (*starts[1:].tolist(), len(order)):
        if end - begin >= limit or end == len(order):
            found.append(np.sort(order[begin:end]))
            begin = end
    return [pack for pack in found if len(pack)]
