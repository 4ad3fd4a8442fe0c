"""What the test suite costs: CPU per test file, the processes it starts included, dearest first.

    python -m benchmarks.house.suite_cpu tests/unit/convert
    python -m benchmarks.house.suite_cpu --tests 20 tests/flows -m "not browser"

Tests run one after another in this process, so that what is shared is made once and counted under
its own name: `fixture demo`, not the file that happened to ask first. Processes count once they
have ended and been waited for; what session fixtures started counts at the end.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Generator
from typing import Any

import pytest

from tests.forked_commands import FORKS

_SHARED = ("session", "package", "module", "class")


def _spent() -> tuple[float, float]:
    """Return CPU seconds of this process and of those it started and saw end, and wall seconds."""
    now = os.times()
    cpu = now.user + now.system + now.children_user + now.children_system
    return cpu + FORKS.spent_s, time.monotonic()


class Meter:
    """A pytest plugin that adds up what each test file and each shared fixture takes."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = defaultdict(float)
        self.wall: dict[str, float] = defaultdict(float)
        self.of_test: dict[str, float] = defaultdict(float)
        self.tests: Counter[str] = Counter()
        self._names: list[str] = []
        self._last = _spent()

    def _turn(self) -> None:
        """Book what was spent since the last turn on the innermost name."""
        now = _spent()
        name = self._names[-1] if self._names else "(collection and between tests)"
        self.cpu[name] += now[0] - self._last[0]
        self.wall[name] += now[1] - self._last[1]
        self._last = now

    def _within(self, name: str) -> Generator[None, Any, Any]:
        self._turn()
        self._names.append(name)
        try:
            return (yield)
        finally:
            self._turn()
            self._names.pop()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        name = item.nodeid.partition("::")[0]
        before = self.cpu[name]
        self.tests[name] += 1
        result = yield from self._within(name)
        self.of_test[item.nodeid] = self.cpu[name] - before
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        if fixturedef.scope not in _SHARED:
            return (yield)
        kind = f"{request.param!r}" if hasattr(request, "param") else ""
        return (yield from self._within(f"fixture {fixturedef.argname} {kind}".rstrip()))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, Any, Any]:
        if nextitem is not None:
            return (yield)
        return (yield from self._within("(end of the session)"))

    def told(self, tests: int) -> list[str]:
        """Return the lines of the report."""
        self._turn()
        lines = [f"{'CPU s':>8} {'wall s':>8} {'tests':>6}  where"]
        lines += [
            f"{cpu:8.1f} {self.wall[name]:8.1f} {self.tests[name] or '':>6}  {name}"
            for name, cpu in sorted(self.cpu.items(), key=lambda pair: -pair[1])
        ]
        total, wall = sum(self.cpu.values()), sum(self.wall.values())
        lines += [f"{total:8.1f} {wall:8.1f} {self.tests.total():6}  total", ""]
        dearest = sorted(self.of_test.items(), key=lambda pair: -pair[1])[:tests]
        return lines + [f"{cpu:8.1f}  {name}" for name, cpu in dearest]


def main() -> int:
    """Run pytest with the arguments that are not ours, then tell what it cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tests", type=int, default=10, help="how many single tests are named")
    ours, theirs = parser.parse_known_args()
    meter = Meter()
    code = pytest.main(["-q", "-n0", "-p", "no:cacheprovider", *theirs], [meter])
    # What its commands took was counted with each: only what it took to load is added.
    FORKS.end()
    FORKS.spent_s = 0.0
    sys.stdout.write("\n".join(meter.told(ours.tests)) + "\n")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
