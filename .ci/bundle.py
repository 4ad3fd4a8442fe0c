"""All that a machine without a network needs to run livercohort, in one folder.

    python .ci/bundle.py dist/bundle [--extra dask]

`wheels/` has the wheel of this clone and one of everything that it needs to run, by the versions
and hashes of the lock; what comes as source is built here. `requirements.txt` names them with the
hashes that they have now. A new environment is installed from them with no index, to see that
nothing lacks; what stands there then is `sbom.cdx.json` (CycloneDX).
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parents[1]
_MOST_BYTES = 1_500_000_000
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
#: What `pip check` says of a distribution that another one asks for.
_LACKS = re.compile(r" requires ([A-Za-z0-9._-]+), which is not installed\.$")
_SBOM_TOOL = "cyclonedx-bom>=7,<8"


def needed(pyproject: Path, extras: Iterable[str]) -> set[str]:
    """Return the names of what a project needs to run, by its file and what is installed here."""
    stated_there = tomllib.loads(pyproject.read_text("utf-8"))
    project = stated_there["project"]
    without = overridden(stated_there)
    stated = [*project["dependencies"]]
    for extra in extras:
        stated += project["optional-dependencies"][extra]
    found: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting: list[tuple[list[str], frozenset[str]]] = [(stated, frozenset())]
    while waiting:
        requirements, wanted = waiting.pop()
        for text in requirements:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": one}) for one in ("", *wanted)):
                continue
            key = canonicalize_name(requirement.name)
            if key in without:
                continue
            found.add(key)
            one = (key, frozenset(requirement.extras))
            if one not in seen:
                seen.add(one)
                waiting.append((distribution(key).requires or [], one[1]))
    return found


def overridden(pyproject: dict[str, Any]) -> set[str]:
    """Return what a project takes away from the requirements of its requirements."""
    texts = pyproject["tool"]["uv"]["override-dependencies"]
    return {canonicalize_name(Requirement(text).name) for text in texts}


def part_of_lock(lock: str, names: set[str]) -> str:
    """Return the lines of a lock for these names, with their hashes.

    Raises
    ------
    SystemExit
        If the lock lacks one of them.
    """
    starts = list(_PINNED.finditer(lock))
    ends = [one.start() for one in starts[1:]] + [len(lock)]
    blocks = {
        canonicalize_name(one.group(1)): lock[one.start() : end]
        for one, end in zip(starts, ends, strict=True)
    }
    lacking = sorted(names - blocks.keys())
    if lacking:
        sys.exit(f"the lock has no {', '.join(lacking)}: make lock")
    return "".join(blocks[name] for name in sorted(names))


def hashed_requirements(wheels: Path) -> str:
    """Return requirements that name every wheel of a folder by version and hash."""
    lines = []
    for path in sorted(wheels.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(path.name)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{name}=={version} --hash=sha256:{digest}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the folder, and try it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--extra", action="append", default=[])
    options = parser.parse_args()
    folder: Path = options.folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        lock = Path(scratch, "run.lock")
        names = needed(ROOT / "pyproject.toml", options.extra)
        lock.write_text(part_of_lock((ROOT / "requirements.lock").read_text("utf-8"), names))
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq"]
        call(*pip, "wheel", "--no-deps", "--require-hashes", "-r", lock, "-w", wheels)
        call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", wheels, ROOT)
        (folder / "requirements.txt").write_text(hashed_requirements(wheels), encoding="utf-8")
        trial = install_without_index(folder, Path(scratch, "trial"))
        write_sbom(trial, folder / "sbom.cdx.json", Path(scratch, "sbom"))
        shutil.copytree(ROOT / "packaging", folder / "packaging")
        for name in ("docs/operations.md", "Containerfile", "LICENSE"):
            shutil.copy2(ROOT / name, folder)
        write_sums(folder)
        call("sha256sum", "--quiet", "-c", "SHA256SUMS", cwd=folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    sys.stdout.write(f"{folder}: {len(names) + 1} wheels, {size / 1e6:.0f} MB\n")
    sys.stdout.write(told_of_compiled(wheels) + "\n")
    if size > _MOST_BYTES:
        sys.exit(f"more than {_MOST_BYTES / 1e9} GB")


def told_of_compiled(wheels: Path) -> str:
    """Say whether the wheel of this clone has the compiled part; without it all is only slower."""
    (own,) = wheels.glob("livercohort-*.whl")
    tags = parse_wheel_filename(own.name)[3]
    if any(tag.platform == "any" for tag in tags):
        return f"{own.name}: without the compiled part, hashes one by one (no C compiler here?)"
    return f"{own.name}: with the compiled part"


def write_sbom(installed: Path, target: Path, scratch: Path) -> None:
    """Write what is installed, with its licences; the tool has an environment of its own."""
    venv.create(scratch, with_pip=True)
    python = scratch / "bin" / "python"
    call(python, "-m", "pip", "-qq", "--disable-pip-version-check", "install", _SBOM_TOOL)
    pyproject = ["--pyproject", ROOT / "pyproject.toml", "--mc-type", "application"]
    call(scratch / "bin" / "cyclonedx-py", "environment", installed, *pyproject, "-o", target)


def write_sums(folder: Path) -> None:
    """Write what `sha256sum -c SHA256SUMS` compares on the other side."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    (folder / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")


def install_without_index(folder: Path, scratch: Path) -> Path:
    """Install the wheels where there is no index, ask the command, and return the Python there."""
    venv.create(scratch, with_pip=True)
    install = ["install", "-qq", "--no-index", "--find-links", folder / "wheels", "--no-deps"]
    requirements = ["--require-hashes", "-r", folder / "requirements.txt"]
    call(scratch / "bin" / "python", "-m", "pip", *install, *requirements)
    require_nothing_lacks(scratch / "bin" / "python")
    call(scratch / "bin" / "livercohort", "rules", "check", cwd=scratch)
    return scratch / "bin" / "python"


def require_nothing_lacks(python: Path) -> None:
    """Let pip look for what lacks in an environment; what is overridden lacks on purpose.

    Raises
    ------
    SystemExit
        With what pip found.
    """
    without = overridden(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8")))
    command = [str(python), "-m", "pip", "check", "--disable-pip-version-check"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    lacking = lacking_lines(told.stdout, without) if told.returncode else []
    if lacking or told.stderr:
        sys.exit("\n".join([*lacking, told.stderr]))


def lacking_lines(told: str, without: set[str]) -> list[str]:
    """Return what `pip check` complains of, but for what lacks on purpose."""
    lines = [(line, _LACKS.search(line)) for line in told.splitlines()]
    return [line for line, found in lines if not (found and canonicalize_name(found[1]) in without)]


def call(*command: object, cwd: Path | None = None) -> None:
    """Run a command that must succeed."""
    subprocess.run([str(part) for part in command], check=True, cwd=cwd)


if __name__ == "__main__":
    main()
