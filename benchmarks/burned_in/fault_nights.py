"""Five nights in which the inspection cannot do its work: nothing may be let go in any of them.

    python -m benchmarks.burned_in.fault_nights FOLDER [--seed 7] [--fault missing]

Nothing of the product is replaced: other files are found before the installed ones. A package of
models without one, with a shorter one or with one of other bytes; a runtime that raises, and one
that kills its process. Each is a night of one subject at one site, and a release after it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tasks.inspect.rules import load_rules
from tasks.inspect.store_models import read_models

MODEL_FAULTS = ("missing", "truncated", "other bytes")
RUNTIMES = {"raises": "raise RuntimeError", "killed": "os.kill(os.getpid(), signal.SIGKILL)"}
#: Before the real runtime: its sessions load, and fail when they are asked.
RUNTIME = """\
import os, signal, sys
from pathlib import Path

here = str(Path(__file__).parents[1])
sys.path.remove(here)
del sys.modules["onnxruntime"]
import onnxruntime

sys.path.insert(0, here)


def run(self, *_args, **_more):
    {fault}


onnxruntime.InferenceSession.run = run
sys.modules["onnxruntime"] = onnxruntime
"""


def main() -> None:
    """Run the nights and print what each let go; exit 1 if any let anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--fault", choices=(*MODEL_FAULTS, *RUNTIMES, "none"), action="append")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True)
    exports = asked.folder / "exports"
    size = ["--sites", "1", "--subjects", "1", "--nights", "1", "--faults", "none"]
    livercohort("simulate", exports, *size, "--seed", asked.seed)
    leaked = 0
    for fault in asked.fault or (*MODEL_FAULTS, *RUNTIMES, "none"):
        let_go = one_night(asked.folder / fault.replace(" ", "_"), exports, fault)
        # Without a fault the same night lets images go, or the others would show nothing.
        leaked += (let_go == 0) if fault == "none" else let_go
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"CPU seconds of all commands: {used.ru_utime + used.ru_stime:.0f}")
    sys.exit(1 if leaked else 0)


def one_night(folder: Path, exports: Path, fault: str) -> int:
    """Run a night with a fault and a release; return how many files of images they let go."""
    home, before = folder / "home", folder / "before"
    before.mkdir(parents=True)
    shutil.copytree(exports, home / "inbox")
    if fault in MODEL_FAULTS:
        spoil_models(before, fault)
    if fault in RUNTIMES:
        write(before / "onnxruntime" / "__init__.py", RUNTIME.format(fault=RUNTIMES[fault]))
    livercohort("key", "create", "--home", home)
    night = livercohort("ingest", "--all", "--home", home, "--json", before=before)
    release = livercohort("release", "--home", home, before=before)
    let_go = sum(
        1
        for place in ("warehouse", "reports", "releases")
        for path in (home / place).rglob("*")
        if path.name.endswith((".dcm", ".nii.gz", ".webp")) and path.is_file()
    )
    print(
        f"{fault}: ingest exits {night.returncode}, release {release.returncode}; "
        f"files {told(night.stdout)}; {let_go} DICOM, NIfTI and pictures let go",
        flush=True,
    )
    return let_go


def told(printed: str) -> dict[str, int]:
    """Return the files of all batches of a night by state, and the states of the batches."""
    counts: Counter[str] = Counter()
    for site in json.loads(printed)["nights"] if printed else ():
        for batch in site.get("batches", ()):
            counts.update({name: n for name, n in batch.get("counts", {}).items() if n})
    return dict(counts)


def spoil_models(before: Path, fault: str) -> None:
    """Write a package with the model that reads, spoilt; the other lies in the product."""
    rules = load_rules()
    model, data = rules.models["recognition"], read_models(rules)["recognition"]
    write(before / model.package / "__init__.py", "")
    place = before / model.package / model.file
    place.parent.mkdir(parents=True)
    if fault != "missing":
        data = data[:-100] if fault == "truncated" else data[:-1] + bytes([data[-1] ^ 1])
        place.write_bytes(data)


def write(path: Path, text: str) -> None:
    """Write a file and its folder."""
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")


def livercohort(*arguments: object, before: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command; what lies in `before` is found before what is installed."""
    paths = [str(before), *sys.path] if before else list(sys.path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main()
