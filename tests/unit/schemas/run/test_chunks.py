"""Items that belong together stay together, in pieces that are even and none too long."""

from __future__ import annotations

import pytest

from schemas.run.chunks import chunks_of


def lengths(items: list[str], n_bytes: int | None = None) -> list[int]:
    sized = () if n_bytes is None else (lambda _: n_bytes,)
    chunks = list(chunks_of(items, lambda item: item[0], *sized))
    assert [item for chunk in chunks for item in chunk] == items
    assert all(len({item[0] for item in chunk}) == 1 for chunk in chunks)
    return [len(chunk) for chunk in chunks]


@pytest.mark.parametrize(
    ("n_items", "n_bytes", "expected"),
    [
        (0, None, []),
        (64, None, [64]),
        (65, None, [32, 33]),
        (100, 6_000, [100]),
        (128, 6_000, [128]),
        (129, 6_000, [64, 65]),
        (100, 512 << 10, [50, 50]),
        (3, 1 << 30, [1, 1, 1]),
        (3, 0, [3]),
    ],
)
def test_one_kind_is_parted_evenly_by_number_and_size(
    n_items: int, n_bytes: int | None, expected: list[int]
) -> None:
    assert lengths([f"a{n}" for n in range(n_items)], n_bytes) == expected


def test_kinds_are_never_mixed() -> None:
    assert lengths([*["a"] * 3, *["b"] * 70, "a"], 1) == [3, 70, 1]
