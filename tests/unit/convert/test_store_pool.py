"""A worker may die, hang, fail or eat memory: its item is lost, the others are not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tasks.convert.store_pool import Loss, run_isolated


def answer(item: str) -> str:
    if item == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "hang":
        time.sleep(60)
    if item == "fail":
        raise RuntimeError("told to")
    if item == "eat":
        bytearray(1 << 34)
    return item.upper()


def run(items: list[str], workers: int = 2, timeout_s: float = 20.0) -> dict[int, str | Loss]:
    limit: Callable[[str], int] = lambda _: 2 << 30  # noqa: E731 - a typed one-liner
    return dict(
        run_isolated(
            answer, items, workers=workers, timeout_s=lambda _: timeout_s, memory_bytes=limit
        )
    )


def test_results_come_back_with_the_index_of_their_item() -> None:
    assert run(["a", "b", "c"]) == {0: "A", 1: "B", 2: "C"}


@pytest.mark.parametrize(
    ("item", "loss"), [("die", Loss.DIED), ("fail", Loss.FAILED), ("eat", Loss.FAILED)]
)
def test_a_lost_item_costs_no_other(item: str, loss: Loss) -> None:
    assert run(["a", item, "c"]) == {0: "A", 1: loss, 2: "C"}


def test_a_hanging_item_is_ended() -> None:
    began = time.monotonic()
    assert run(["hang", "b"], timeout_s=3.0) == {0: Loss.TIMEOUT, 1: "B"}
    assert time.monotonic() - began < 20


def test_nothing_to_do_is_done() -> None:
    assert run([]) == {}
