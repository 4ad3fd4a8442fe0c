"""What each stage costs beside its peers and beside copying; with a checkout from before as well.

    make bench                                  # everything, on a corpus of realistic sizes
    make bench BENCH_ARGS="--reduced"           # small enough for a shared machine
    make bench BEFORE=../before                 # another checkout, interleaved in the same run

The corpus: patients with a CT of 512 x 512 and an MR of 320 x 260 (private blocks of 80 kB), and
the export of one simulated site for the night and the release. Runs are interleaved: a round
measures every case once, and the table gives medians over rounds and the spread (smallest to
largest). CPU is user and system time of the whole tree of processes, start-up included. The base
is `cp -r` and `sha256sum` of the copy. Results go to `benchmarks/results/`, a table in Markdown
and a plot, to be kept with the commit.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dcm2niix
import numpy as np

from benchmarks.deidentify.peer_environment import RUNNER, peers_python
from benchmarks.processes import Cost, cost_of, machine_facts
from benchmarks.stages_shown import Measured, markdown, plot
from tests.builders import make_series, write_files
from tests.flows.exports import write_key

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BASE, NOW, BEFORE = "base", "now", "before"
_KEY = bytes(range(32))


@dataclass(frozen=True)
class Sizes:
    """How much of everything: patients with a CT and an MR, slices of each, enrolled subjects."""

    patients: int = 4
    ct_slices: int = 300
    mr_slices: int = 80
    subjects: int = 4


REDUCED = Sizes(patients=1, ct_slices=120, mr_slices=40, subjects=2)


@dataclass(frozen=True)
class Corpus:
    """Where what is measured lies."""

    delivered: Path
    anonymised: Path
    inbox: Path
    key: Path


@dataclass
class Round:
    """One round: fresh places, and the homes that a night leaves for the release."""

    place: Path
    corpus: Corpus
    trees: Mapping[str, Path]
    peers: Path
    costs: dict[tuple[str, str], Cost] = field(default_factory=dict)

    def run(self) -> None:
        """Measure every case once."""
        self.place.mkdir()
        for stage, source in (
            ("deidentify", self.corpus.delivered),
            ("convert", self.corpus.anonymised),
            ("night", self.corpus.inbox),
        ):
            self._base(stage, source)
        self._peers()
        for name in self.trees:
            self._stages(name)

    def _base(self, stage: str, source: Path) -> None:
        copy = self.place / f"copy-{stage}"
        script = f"cp -r '{source}' '{copy}' && find '{copy}' -type f -print0 | xargs -0 sha256sum"
        self.costs[stage, BASE] = cost_of([["sh", "-c", script]])

    def _peers(self) -> None:
        out = self.place / "peers"
        out.mkdir()
        anonymizer = [str(self.peers), str(RUNNER), "dicom-anonymizer"]
        source, target = str(self.corpus.delivered), str(out / "anonymizer")
        self.costs["deidentify", "dicom-anonymizer"] = cost_of([[*anonymizer, source, target]])
        niix = [dcm2niix.bin, "-z", "y", "-f", "%s_%j", "-o", str(out)]
        self.costs["convert", "dcm2niix -z y"] = cost_of([[*niix, str(self.corpus.anonymised)]])

    def _stages(self, name: str) -> None:
        out = self.place / name
        home = new_home(out / "home", self.corpus.key)
        source, anonymised = str(self.corpus.delivered), str(self.corpus.anonymised)
        one = ("--workers", "1")
        at_home = ("--home", str(home))
        self._ours(
            name,
            "deidentify",
            source,
            str(out / "a"),
            "--subject-from",
            "patient_id",
            *one,
            *at_home,
        )
        self._ours(name, "convert", anonymised, str(out / "n"), *one)
        self._ours(name, "label", anonymised, "--out", str(out / "labels.csv"))
        self._ours(name, "ingest", "S91", "--inbox", str(self.corpus.inbox), *at_home, as_="night")
        self._ours(name, "release", *at_home)
        self._ours(name, "release", *at_home, as_="release, nothing new")

    def _ours(self, name: str, *arguments: str, as_: str = "") -> None:
        tree = self.trees[name]
        environment = {**os.environ, "PYTHONPATH": str(tree), "LIVERCOHORT_WORKERS": "1"}
        command = [sys.executable, "-m", "flows.cli", *arguments]
        self.costs[as_ or arguments[0], name] = cost_of(
            [command], cwd=tree, environment=environment
        )


def new_home(home: Path, key: Path) -> Path:
    """Return a home with the key of the benchmark."""
    (home / "restricted").mkdir(parents=True, mode=0o700)
    shutil.copy(key, home / "restricted" / "key")
    return home


def make_corpus(place: Path, sizes: Sizes) -> Corpus:
    """Write what is measured, and the de-identified copy that conversion and labelling read."""
    corpus = Corpus(place / "delivered", place / "anonymised", place / "inbox", place / "key")
    place.mkdir()
    write_key(corpus.key, _KEY)
    noise = np.random.default_rng(1)
    for patient in range(sizes.patients):
        for modality, rows, columns, n_slices in (
            ("CT", 512, 512, sizes.ct_slices),
            ("MR", 320, 260, sizes.mr_slices),
        ):
            slices = make_series(
                n_slices=n_slices, modality=modality, subject=patient + 1, study=rows
            )
            for one in slices:
                one.Rows, one.Columns = rows, columns
                # Smooth with a little noise, as tissue is: pure noise does not compress.
                level = noise.normal(1064, 12, (rows, columns)).astype("<u2")  # 12 bits stored
                one.PixelData = level.tobytes()
                if modality == "MR":
                    block = one.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
                    block.add_new(0x10, "OB", bytes(80_000))
            write_files(corpus.delivered / f"p{patient}" / modality, slices)
    simulate = ["simulate", str(corpus.inbox), "--sites", "1", "--subjects", str(sizes.subjects)]
    _now(*simulate, "--nights", "1", "--faults", "none")
    home = new_home(place / "home", corpus.key)
    paths = (str(corpus.delivered), str(corpus.anonymised))
    _now("deidentify", *paths, "--subject-from", "patient_id", "--home", str(home))
    return corpus


def _now(*arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "flows.cli", *arguments]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def size_of(folder: Path) -> tuple[int, int]:
    """Return how many files lie below a folder, and their bytes; a linked one counts once."""
    seen = {(info.st_dev, info.st_ino): info.st_size for info in _infos(folder)}
    return len(seen), sum(seen.values())


def _infos(folder: Path) -> Iterator[os.stat_result]:
    return (path.stat() for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Measure, and write the table and the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reduced", action="store_true", help=f"a small corpus: {REDUCED}")
    parser.add_argument("--before", type=Path, help="another checkout to measure beside this one")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    sizes = REDUCED if options.reduced else Sizes()
    python = peers_python(options.peers).absolute()
    trees = {NOW: ROOT} | ({BEFORE: options.before.absolute()} if options.before else {})
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory() as scratch:
        facts = machine_facts(Path(scratch))
        corpus = make_corpus(Path(scratch, "corpus"), sizes)
        for number in range(options.rounds):
            one = Round(Path(scratch, f"round{number}"), corpus, trees, python)
            one.run()
            rounds.append(one)
            if number:  # the last home is looked at below
                shutil.rmtree(rounds[number - 1].place)
            told = {**facts, "rounds": str(len(rounds)), "corpus": str(sizes)}
            # After every round: a run that is cut short leaves those it had.
            print(_written(rounds, told, options.out), flush=True)


def _written(rounds: Sequence[Round], told: Mapping[str, str], out: Path) -> str:
    """Write the table and the plot of the rounds so far, and return the table."""
    corpus = rounds[-1].corpus
    delivered = size_of(corpus.inbox / "S91")
    kept = size_of(rounds[-1].place / NOW / "home" / "warehouse")
    files = {
        "deidentify": size_of(corpus.delivered),
        "convert": size_of(corpus.anonymised),
        "night": delivered,
    }
    cases = {case: [one.costs[case] for one in rounds] for case in rounds[0].costs}
    measured = [
        Measured(
            stage,
            who,
            statistics.median(c.cpu_s for c in costs),
            (min(c.cpu_s for c in costs), max(c.cpu_s for c in costs)),
            max(c.peak_mib for c in costs),
        )
        for (stage, who), costs in cases.items()
    ]
    text = markdown(measured, told, files, kept[1] / delivered[1])
    out.mkdir(parents=True, exist_ok=True)
    (out / "stages.md").write_text(text, encoding="utf-8")
    (out / "stages.svg").write_text(plot(measured), encoding="utf-8")
    return text


if __name__ == "__main__":
    main()
