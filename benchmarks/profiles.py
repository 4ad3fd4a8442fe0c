"""Where the time of each stage goes: its functions by own time, and what share each package has.

    make profile                                        # every case with one worker
    make profile BENCH_ARGS="--reduced --only night"    # those that match, on the small corpus

The cases of `benchmarks/stages.py` over the same deliveries, each process of them sampled 200 times
a second by py-spy, which has an environment of its own (`.venv-profiler`) and counts a thread only
while it works, or waits for a flush to the disk. Time in C code counts for the Python function that
called it. Sampling costs a little, so no CPU seconds are told: those are what `make bench` tells.
Writes `benchmarks/results/profiles.md`, to be kept with the commit.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.deidentify.peer_environment import peers_python
from benchmarks.deliveries import REDUCED, Sizes, make_corpus, size_of
from benchmarks.processes import machine_facts
from benchmarks.stage_results import NOW
from benchmarks.stages import RESULTS, ROOT, Round, chosen

REQUIREMENTS = Path(__file__).with_name("profiler.txt")
_RATE = "200"
_TOP, _TOP_PACKAGES = 12, 10
_FRAME = re.compile(r"(?P<function>.*) \((?P<file>.*?)(?::\d+)?\)")
_LIBRARY = re.compile(r"site-packages/(?P<name>[^/]+)")
_FROZEN = "<frozen importlib"

#: Function and file of it, or package, to samples.
Shares = Counter[str]


@dataclass(frozen=True)
class Profile:
    """Samples of one case: by function and package of the innermost frame, and within imports."""

    functions: Shares
    packages: Shares
    importing: int


@dataclass
class Profiled(Round):
    """A round that samples in place of measuring."""

    spy: Path = Path("py-spy")
    found: dict[str, Profile] = field(default_factory=dict)

    def _base(self, source: str) -> None:
        """Copy nothing: what that costs is not asked here."""

    def _measure(
        self,
        what: tuple[str, str],
        command: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str] | None = None,
    ) -> bool:
        stacks = self.place / "stacks"
        record = [str(self.spy), "record", "--subprocesses", "--format", "raw", "--function"]
        record += ["--full-filenames", "--rate", _RATE, "--output", str(stacks), "--"]
        ended = subprocess.run(
            [*record, *command],
            cwd=cwd,
            env=environment,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Whether what it sampled had ended before it asked again is no matter of ours.
        if stacks.exists() and stacks.stat().st_size:
            self.found[what[0]] = profile_of(stacks.read_text("utf-8", errors="replace"))
            stacks.unlink()
        else:
            self.problems.append(f"{what[0]}: {ended.stderr[-600:]}")
        return False  # nothing else is asked of the home


def profile_of(stacks: str) -> Profile:
    """Return samples by function and by package.

    Parameters
    ----------
    stacks : str
        Lines of frames from the outermost, separated by semicolons, and a count.
    """
    functions: Shares = Counter()
    packages: Shares = Counter()
    importing = 0
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        found = _FRAME.fullmatch(frames.rpartition(";")[2])
        if found is None or not count.isdigit():
            continue
        name, file = found["function"], found["file"]
        functions[f"{name} ({_short(file)})"] += int(count)
        packages[package_of(file)] += int(count)
        importing += int(count) if _FROZEN in frames else 0
    return Profile(functions, packages, importing)


def package_of(file: str) -> str:
    """Return what a source file belongs to: a part of ours, a library, Python, its imports."""
    if file.startswith(_FROZEN):
        return "imports"
    library = _LIBRARY.search(file)
    if library:
        return library["name"].removesuffix(".py")
    inside = file.removeprefix(f"{ROOT}/")
    if inside != file:
        return ".".join(Path(inside).parent.parts[:2]) or inside
    return "Python's own library"


def _short(file: str) -> str:
    return re.sub(r".*site-packages/|.*/lib/python[0-9.]+/", "", file).removeprefix(f"{ROOT}/")


def told(found: Mapping[str, Profile], facts: Mapping[str, str]) -> str:
    """Return the page."""
    lines = ["# Where the time of each stage goes", ""]
    lines += ["Made by `make profile`; do not edit. Own time of functions, one worker, all of a"]
    lines += ["stage's processes; time in C counts for the Python function that called it.", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    for case, one in found.items():
        total = max(sum(one.functions.values()), 1)

        def rows(shares: Shares, most: int, total: int = total) -> list[tuple[str, str]]:
            return [(name, f"{100 * n / total:.1f} %") for name, n in shares.most_common(most)]

        of_packages = ", ".join(" ".join(one) for one in rows(one.packages, _TOP_PACKAGES))
        imports = f"{100 * one.importing / total:.0f} % while something is imported"
        lines += ["", f"## {case}", ""]
        lines += [f"{total / int(_RATE):.1f} s sampled, {imports}: {of_packages}.", ""]
        lines += ["| function | own time |", "|---|---|"]
        lines += [f"| `{name}` | {share} |" for name, share in rows(one.functions, _TOP)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Sample, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reduced", action="store_true", help=f"a small corpus: {REDUCED}")
    parser.add_argument("--only", default="", help="a regular expression for names of cases")
    parser.add_argument("--profiler", type=Path, default=ROOT / ".venv-profiler")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    spy = peers_python(options.profiler, REQUIREMENTS).absolute().with_name("py-spy")
    sizes = REDUCED if options.reduced else Sizes()
    cases = [case for case in chosen(options.only) if case.workers == 1]
    with tempfile.TemporaryDirectory() as scratch:
        facts = machine_facts(Path(scratch)) | {"corpus": str(sizes)}
        corpus = make_corpus(Path(scratch, "corpus"), sizes)
        for source in dict.fromkeys(case.source for case in cases):
            number, size = size_of(getattr(corpus, source))
            facts[source] = f"{number} files, {size / 1e6:.1f} MB"
        one = Profiled(Path(scratch, "round"), corpus, {NOW: ROOT}, None, cases, spy=spy)
        one.run()
        shutil.rmtree(one.place)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "profiles.md").write_text(told(one.found, facts), encoding="utf-8")
    if one.problems:
        raise SystemExit("\n".join(one.problems))


if __name__ == "__main__":
    main()
