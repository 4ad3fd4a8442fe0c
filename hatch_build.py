"""Build hook: compiles what is compiled of the package, where there is a C compiler.

Without one, or for another processor, the wheel is the pure one: it does the same, slower, and the
build says so. What was compiled says for which processor that is, so that `CC` may be a compiler
for another one (`make wheels`). In a work tree `python hatch_build.py` compiles in place.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("schemas", "native", "sha256_lanes.c")
LIBRARY = SOURCE.with_suffix(".so")
_FLAGS = (
    "-O3",
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-shared",
    "-fPIC",
    "-fvisibility=default",
)
#: ELF header: 64 bits, little endian; `e_machine` of what there are instructions for.
_ELF64_LITTLE = b"\x7fELF\x02\x01"
_PROCESSORS = {62: "x86_64", 183: "aarch64"}
#: PEP 600 and PEP 599: a wheel of this tag runs wherever glibc is this one or newer.
_GLIBC = (2, 17)
_OF_GLIBC = {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


class NativeBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # of any configuration
    """Adds the compiled library to a wheel, and its platform to the name."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; leave the wheel pure where that cannot be done."""
        root = Path(self.root)
        if version == "editable":
            self._warn(in_place(root))
            return
        # Apart from the tree, whose own library is that of the machine that builds.
        self._scratch = tempfile.TemporaryDirectory()
        made = Path(self._scratch.name, LIBRARY.name)
        why_not = compiled(root, made)
        self._warn(why_not)
        if not why_not:
            build_data["force_include"][str(made)] = LIBRARY.as_posix()
            build_data["pure_python"] = False
            # By ctypes: of no Python's own interface, so one wheel serves all versions.
            build_data["tag"] = f"py3-none-{platform_of(made)}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled: it is in the wheel."""
        if version != "editable":
            self._scratch.cleanup()

    def _warn(self, why_not: str) -> None:
        if why_not:
            self.app.display_warning(f"pure wheel, hashes one by one: {why_not}")


def in_place(root: Path) -> str:
    """Compile into the tree, for this machine; return why not, empty when it was done."""
    try:
        with tempfile.TemporaryDirectory(dir=root / LIBRARY.parent) as scratch:
            made = Path(scratch, LIBRARY.name)
            why_not = compiled(root, made)
            if not why_not and _processor(made) != platform.machine():
                why_not = f"compiled for {_processor(made)}, and this is {platform.machine()}"
            if not why_not:
                # At once: another process may have the one before loaded.
                made.replace(root / LIBRARY)
    except OSError as error:  # a source that is only read
        return str(error)
    return why_not


def compiled(root: Path, made: Path) -> str:
    """Compile the source of a tree to `made`; return why not, empty when it was done."""
    stated = os.environ.get("CC", "").strip() or "cc"
    try:
        command = [*shlex.split(stated), *_FLAGS, "-o", str(made), str(root / SOURCE)]
        subprocess.run(command, check=True, capture_output=True, text=True, errors="replace")
        found = _processor(made)
    except FileNotFoundError:
        return f"no C compiler ({stated})"
    except subprocess.CalledProcessError as error:
        return f"{stated}: {error.stderr.strip()}"
    except (OSError, ValueError) as error:
        # A compiler that may not be run, a CC that is no command.
        return f"{stated}: {error}"
    return "" if found else f"what {stated} compiles for has no compiled part"


def platform_of(library: Path) -> str:
    """Return the platform of a wheel with this library: as many systems as really can load it."""
    processor = _processor(library)
    if _needs_old_glibc_alone(library):
        return f"manylinux_{_GLIBC[0]}_{_GLIBC[1]}_{processor}"
    return f"linux_{processor}"


def _processor(library: Path) -> str:
    with library.open("rb") as stream:
        header = stream.read(20)
    if not header.startswith(_ELF64_LITTLE):
        return ""
    return _PROCESSORS.get(int.from_bytes(header[18:20], "little"), "")


def _needs_old_glibc_alone(library: Path) -> bool:
    """Whether no other library is needed, and no symbol that came with a later glibc."""
    command = ["readelf", "--wide", "--dynamic", "--version-info", str(library)]
    try:
        told = subprocess.run(
            command, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return False  # nothing tells: nothing is promised
    libraries = set(re.findall(r"\(NEEDED\)[^\[]*\[([^\]]+)\]", told))
    versions = re.findall(r"Name: (\S+)", told)
    known = [re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", one) for one in versions]
    old = all(one is not None and (int(one[1]), int(one[2])) <= _GLIBC for one in known)
    # Another C library states no versions; that none were found promises nothing either.
    return bool(versions) and old and libraries <= _OF_GLIBC


if __name__ == "__main__":
    sys.exit(in_place(Path(__file__).parent) or None)
