"""A worker may die, hang, fail or eat memory: its item is lost, the others are not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from schemas.errors import EnvironmentProblemError
from schemas.run.pool import Loss, run_in_order, run_isolated


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


_seen: list[str] = []


def tired(item: str) -> int:
    """Answer with the process, once; the second item of a process ends it."""
    _seen.append(item)
    if len(_seen) > 1 and item != "easy":
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


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
    assert time.monotonic() - began < 50  # it hangs for 60 s


def processes_of(items: list[str]) -> list[int | Loss]:
    found = run_isolated(
        tired, items, workers=1, timeout_s=lambda _: 20.0, memory_bytes=lambda _: 2 << 30
    )
    return [outcome for _, outcome in sorted(found)]


def test_a_process_takes_one_item_after_another() -> None:
    assert len(set(processes_of(["easy"] * 5))) == 1


def test_what_a_used_process_loses_is_done_by_a_fresh_one() -> None:
    processes = processes_of(["hard"] * 4)
    assert len(set(processes)) == 4
    assert all(isinstance(process, int) for process in processes)


def test_nothing_to_do_is_done() -> None:
    assert run([]) == {}


def double_or_die(number: int) -> int:
    if number == 13:
        os._exit(1)
    return 2 * number


def double_or_be_killed(number: int) -> int:
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def double_or_refuse(number: int) -> int:
    if number == 13:
        raise EnvironmentProblemError("the disk is full", hint="Mend it.")
    return 2 * number


def lost(number: int) -> int:
    return -1


def in_order(
    work: Callable[[int], int], together: Callable[[int], object] = lambda n: n // 8
) -> list[int]:
    return list(run_in_order(work, range(60), workers=2, on_death=lost, together=together))


@pytest.mark.parametrize("work", [double_or_die, double_or_be_killed])
def test_a_dying_worker_loses_its_own_item_only(work: Callable[[int], int]) -> None:
    assert in_order(work) == [-1 if n == 13 else 2 * n for n in range(60)]


def test_what_an_item_raises_ends_the_run_as_it_was_raised() -> None:
    with pytest.raises(EnvironmentProblemError, match="the disk is full") as caught:
        in_order(double_or_refuse)
    assert caught.value.hint == "Mend it."


def process_of(number: int) -> int:
    time.sleep(0.01)
    return os.getpid()


def test_items_that_belong_together_go_to_one_process() -> None:
    processes = in_order(process_of, together=lambda n: n // 30)
    assert len(set(processes[:30])) == len(set(processes[30:])) == 1


_prepared: list[str] = []


def prepare(word: str) -> None:
    _prepared.append(word)


def prepared(number: int) -> list[str]:
    return list(_prepared)


def nothing(number: int) -> list[str]:
    return []


def test_a_process_is_prepared_once_before_its_first_item() -> None:
    found = run_in_order(
        prepared,
        range(10),
        workers=2,
        on_death=nothing,
        together=lambda n: n // 2,
        start=(prepare, ("ready",)),
    )
    assert list(found) == [["ready"]] * 10


def test_what_is_to_be_done_meanwhile_is_done_once_while_items_are_at_work() -> None:
    done: list[str] = []
    ends = run_isolated(answer, ["a", "b", "c"], workers=2, meanwhile=lambda: done.append("it"))
    assert done == []
    assert dict(ends) == {0: "A", 1: "B", 2: "C"}
    assert done == ["it"]


def test_what_fails_meanwhile_ends_the_run() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(run_isolated(answer, ["a", "b"], workers=1, meanwhile=fail))
