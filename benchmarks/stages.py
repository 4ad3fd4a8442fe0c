"""What each stage costs beside its peers and beside copying; with a checkout from before as well.

    make bench                                      # everything, on a corpus of realistic sizes
    make bench BENCH_ARGS=--reduced                 # one round of a small corpus, 3 to 5 minutes
    make bench BENCH_ARGS="--only 'night|release'"  # cases that match, and what they need
    make bench BEFORE=../before                     # another checkout, interleaved in the same run

What is delivered: `benchmarks/deliveries.py`. A round measures every case once, the checkouts in
turn within a case, and the table gives medians over rounds and the spread (smallest to largest).
CPU is user and system time of the whole tree of processes, start-up included. The base is `cp -r`
of the same files and `sha256sum` of the copy. Results go to `benchmarks/results/`: a table in
Markdown with the goals (`benchmarks/goals.py`) and a plot, to be kept with the commit.

Beside it, because they take longer or look at one thing: where the time goes
(`benchmarks/profiles.py`), memory over 2 000, 10 000 and 50 000 files
(`benchmarks/deidentify/memory.py`), growth over larger warehouses and larger nights
(`benchmarks/operation/growth.py`), releases by subjects (`benchmarks/publish/subjects.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import dcm2niix

from benchmarks.deidentify.peer_environment import RUNNER, peers_python
from benchmarks.deliveries import REDUCED, SITE, Corpus, Sizes, make_corpus, new_home, size_of
from benchmarks.processes import Cost, cost_of, machine_facts
from benchmarks.publish.subjects import give_role
from benchmarks.stage_results import BASE, BEFORE, NOW, Measured, Results
from benchmarks.stages_shown import markdown, plot

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True)
class Case:
    """One command of ours over one delivery.

    Attributes
    ----------
    name : str
        In the table; goals are for it.
    source : str
        Which delivery is read, and copied for the base.
    arguments : tuple of str
        Of the command; names in braces are deliveries, `{home}` and `{out}`.
    home : str
        Cases of one home follow each other in it; the name of the case where it is empty.
    before : callable, optional
        Done to the home first, not measured.
    """

    name: str
    source: str
    arguments: tuple[str, ...]
    workers: int = 1
    home: str = ""
    before: Callable[[Path], None] | None = None

    @property
    def place(self) -> str:
        """Return the name of the folder of its home."""
        return re.sub(r"\W+", "-", self.home or self.name)


def _two(case: Case) -> Case:
    return replace(case, name=f"{case.name}, 2 workers", workers=2)


def _deidentify(size: str) -> Case:
    options = ("--subject-from", "patient_id", "--home", "{home}")
    return Case(f"deidentify, {size} files", size, ("deidentify", f"{{{size}}}", "{out}", *options))


def _night(name: str, source: str, home: str = "") -> Case:
    options = ("--inbox", f"{{{source}}}", "--home", "{home}")
    return Case(name, source, ("ingest", SITE, *options), home=home)


def _release(what: str, before: Callable[[Path], None] | None = None) -> Case:
    arguments = ("release", "--home", "{home}")
    return Case(f"release, {what}", "simulated", arguments, home="simulated", before=before)


def _another_role(home: Path) -> None:
    give_role(home, "phase2_development")


def _cases() -> tuple[Case, ...]:
    found = []
    for size in ("large", "small"):
        found += [_deidentify(size), _two(_deidentify(size))]
        source = f"{size}_anonymised"
        read = f"{{{source}}}"
        found.append(Case(f"convert, {size} files", source, ("convert", read, "{out}")))
        label = ("label", read, "--out", "{out}.csv")
        found.append(Case(f"label, {size} files", source, label))
    realistic = _night("night, a realistic delivery", "site")
    found += [realistic, _two(realistic)]
    found += [_night("night, simulated small images", "simulated", home="simulated")]
    found += [_night("night, 10 images", "ten")]
    found += [_release("first"), _release("nothing new")]
    found += [_release("one subject's role changed", _another_role)]
    return tuple(found)


CASES = _cases()
#: Commands that take `--workers`; the others read the setting.
_TAKE_WORKERS = {"deidentify", "convert", "ingest"}
#: Who does the same, by the name of the case.
PEERS = {
    f"{stage}, {size} files": who
    for stage, who in (("deidentify", "dicom-anonymizer"), ("convert", "dcm2niix -z y"))
    for size in ("large", "small")
}


def chosen(pattern: str) -> tuple[Case, ...]:
    """Return the cases whose name matches, and those whose home they continue.

    Raises
    ------
    SystemExit
        If none does.
    """
    wanted = [case for case in CASES if re.search(pattern, case.name)]
    if not wanted:
        names = "\n  ".join(case.name for case in CASES)
        raise SystemExit(f"no case matches {pattern!r}; there are\n  {names}")
    last = {case.place: CASES.index(case) for case in wanted}
    found = [
        case
        for number, case in enumerate(CASES)
        if case in wanted or number < last.get(case.place, -1)
    ]
    return tuple(found)


@dataclass
class Round:
    """One round: every case once, of every checkout, in fresh places."""

    place: Path
    corpus: Corpus
    trees: Mapping[str, Path]
    peers: Path | None
    cases: Sequence[Case]
    costs: dict[tuple[str, str], Cost] = field(default_factory=dict)
    #: Bytes of the warehouse for each byte delivered, of nights.
    disk: dict[tuple[str, str], float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Measure; what fails is told, and the rest goes on."""
        self.place.mkdir()
        for source in dict.fromkeys(case.source for case in self.cases):
            self._base(source)
        for number, case in enumerate(self.cases):
            if self.peers and case.name in PEERS:
                self._peer(PEERS[case.name], case)
            for name in self.trees:
                self._ours(case, name)
            if all(case.place != later.place for later in self.cases[number + 1 :]):
                for name in self.trees:
                    shutil.rmtree(self.place / name / case.place, ignore_errors=True)

    def _base(self, source: str) -> None:
        copy = self.place / "copy"
        sums = f"find '{copy}' -type f -print0 | xargs -0 sha256sum"
        script = f"cp -r '{getattr(self.corpus, source)}' '{copy}' && {sums}"
        self._measure((source, BASE), ["sh", "-c", script], self.place)
        shutil.rmtree(copy)

    def _peer(self, who: str, case: Case) -> None:
        out = self.place / "peer"
        out.mkdir()
        read = str(getattr(self.corpus, case.source))
        if who == "dicom-anonymizer":
            command = [str(self.peers), str(RUNNER), who, read, str(out / "files")]
        else:
            command = [dcm2niix.bin, "-z", "y", "-f", "%s_%j", "-o", str(out), read]
        self._measure((case.name, who), command, self.place)
        shutil.rmtree(out)

    def _ours(self, case: Case, name: str) -> None:
        home = self.place / name / case.place
        if not home.exists():
            new_home(home, self.corpus.key)
        out = self.place / name / f"{re.sub(r'[^a-z0-9]+', '-', case.name)}.out"
        places = {one: getattr(self.corpus, one) for one in Corpus.__dataclass_fields__}
        arguments = [part.format(**places, home=home, out=out) for part in case.arguments]
        if arguments[0] in _TAKE_WORKERS:
            arguments += ["--workers", str(case.workers)]
        tree = self.trees[name]
        environment = os.environ | {"PYTHONPATH": str(tree)}
        environment["LIVERCOHORT_WORKERS"] = str(case.workers)
        command = [sys.executable, "-m", "flows.cli", *arguments]
        try:
            if case.before is not None:
                case.before(home)
        except (OSError, ValueError) as error:
            self.problems.append(f"{case.name}, {name}: {error!r}")
            return
        measured = self._measure((case.name, name), command, tree, environment)
        if measured and arguments[0] == "ingest":
            delivered = size_of(getattr(self.corpus, case.source) / SITE)[1]
            self.disk[case.name, name] = size_of(home / "warehouse")[1] / delivered
            self.problems += [f"{case.name}, {name}: {said}" for said in set_aside(home)]
        shutil.rmtree(out, ignore_errors=True)

    def _measure(
        self,
        what: tuple[str, str],
        command: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str] | None = None,
    ) -> bool:
        try:
            self.costs[what] = cost_of([command], cwd=cwd, environment=environment)
        except SystemExit as failed:  # how `cost_of` says that a command failed
            self.problems.append(f"{', '.join(what)}: {str(failed)[-600:]}")
            return False
        print(f"{', '.join(what)}: {self.costs[what].cpu_s:.2f} CPU s", flush=True)
        return True


def set_aside(home: Path) -> list[str]:
    """Say what a night did not take: it would be measured at less work than was delivered."""
    batches = (home / "warehouse" / "batches" / SITE).glob("*/batch.json")
    counts = [json.loads(path.read_bytes())["counts"] for path in batches]
    short = [one for one in counts if one.get("quarantined") or not one.get("accepted")]
    return [f"not all was taken: {one}" for one in short or ([] if counts else ["no batch"])]


def main() -> None:
    """Measure, and write the table and the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, help="3, or 1 of the reduced corpus")
    parser.add_argument("--reduced", action="store_true", help=f"a small corpus: {REDUCED}")
    parser.add_argument("--only", default="", help="a regular expression for names of cases")
    parser.add_argument("--before", type=Path, help="another checkout to measure beside this one")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers")
    parser.add_argument("--no-peers", action="store_true", help="measure ours alone")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    cases = chosen(options.only)
    sizes = REDUCED if options.reduced else Sizes()
    peers = None if options.no_peers else peers_python(options.peers).absolute()
    trees = {NOW: ROOT}
    if options.before:
        trees = {BEFORE: options.before.absolute(), NOW: ROOT}
    n_rounds = options.rounds or (1 if options.reduced else 3)
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as scratch:
        facts = machine_facts(Path(scratch)) | tree_facts(trees)
        if options.reduced:
            facts["goals"] = "set for the full corpus; here the start of a command is most of it"
        corpus = make_corpus(Path(scratch, "corpus"), sizes)
        for number in range(n_rounds):
            place = Path(scratch, f"round{number}")
            # In turn: whoever comes second finds warmer caches, and each does so once.
            order = dict(reversed(trees.items())) if number % 2 else trees
            one = Round(place, corpus, order, peers, cases)
            one.run()
            shutil.rmtree(place)
            rounds.append(one)
            told = {**facts, "rounds": str(len(rounds)), "corpus": str(sizes)}
            # After every round: a run that is cut short leaves those it had.
            results = results_of(rounds, told)
            write(results, options.out)
    print(markdown(results))
    if any(NOW in problem for problem in results.problems):
        sys.exit("not everything could be measured: see above")


def tree_facts(trees: Mapping[str, Path]) -> dict[str, str]:
    """Say which commits they are, and whether they are compiled: without, hashes take twice."""
    found = {}
    for name, tree in trees.items():
        found[name] = _commit_of(tree)
        source = tree / "schemas" / "native" / "sha256_lanes.c"
        there = source.with_suffix(".so").exists()
        absent = "not compiled: python hatch_build.py" if source.exists() else "it has none"
        found[f"compiled part, {name}"] = "there" if there else absent
    return found


def _commit_of(tree: Path) -> str:
    asked = ["git", "-C", str(tree), "describe", "--always", "--dirty"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)
    return f"commit {said.stdout.strip()}" if said.returncode == 0 else "a folder without history"


def results_of(rounds: Sequence[Round], facts: Mapping[str, str]) -> Results:
    """Return medians and spread over rounds."""
    corpus, cases = rounds[0].corpus, rounds[0].cases
    keys = dict.fromkeys(key for one in rounds for key in one.costs)
    costs = {key: [one.costs[key] for one in rounds if key in one.costs] for key in keys}
    disk_keys = dict.fromkeys(key for one in rounds for key in one.disk)
    return Results(
        facts=facts,
        sources={case.name: case.source for case in cases},
        files={source: size_of(getattr(corpus, source)) for source in {c.source for c in cases}},
        measured={key: measured_of(found) for key, found in costs.items()},
        disk={
            key: statistics.median(one.disk[key] for one in rounds if key in one.disk)
            for key in disk_keys
        },
        problems=list(dict.fromkeys(problem for one in rounds for problem in one.problems)),
    )


def measured_of(costs: Sequence[Cost]) -> Measured:
    """Return what runs of one case took."""
    cpu = [one.cpu_s for one in costs]
    wall = statistics.median(one.wall_s for one in costs)
    most = max(one.peak_mib for one in costs)
    return Measured(statistics.median(cpu), (min(cpu), max(cpu)), wall, most)


def write(results: Results, out: Path) -> None:
    """Write the table and the plot."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "stages.md").write_text(markdown(results), encoding="utf-8")
    (out / "stages.svg").write_text(plot(results), encoding="utf-8")


if __name__ == "__main__":
    main()
