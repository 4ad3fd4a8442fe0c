"""Build hook: compiles what is compiled of the package, where there is a C compiler.

Without one, or on another processor, the wheel is the pure one: it does the same, slower, and the
build says so. In a work tree `python hatch_build.py` compiles in place.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
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


class NativeBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # of any configuration
    """Adds the compiled library to a wheel, and its platform to the name."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; leave the wheel pure where that cannot be done."""
        why_not = compiled(Path(self.root))
        if why_not:
            self.app.display_warning(f"pure wheel, hashes one by one: {why_not}")
            return
        of_platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["artifacts"].append(f"/{LIBRARY.as_posix()}")
        build_data["pure_python"] = False
        # By ctypes: of no Python's own interface, so one wheel serves all versions.
        build_data["tag"] = f"py3-none-{of_platform}"


def compiled(root: Path) -> str:
    """Compile in place; return why not, empty when it was done."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"{sys.platform} {platform.machine()} has no compiled part"
    stated = os.environ.get("CC") or "cc"
    try:
        _compile(shlex.split(stated), root)
    except FileNotFoundError:
        return f"no C compiler ({stated})"
    except subprocess.CalledProcessError as error:
        return f"{stated}: {error.stderr.strip()}"
    except (OSError, ValueError) as error:
        # A source that is only read, a compiler that may not be run, a CC that is no command.
        return f"{stated}: {error}"
    return ""


def _compile(compiler: list[str], root: Path) -> None:
    with tempfile.TemporaryDirectory(dir=root / LIBRARY.parent) as scratch:
        made = Path(scratch, LIBRARY.name)
        command = [*compiler, *_FLAGS, "-o", str(made), str(root / SOURCE)]
        subprocess.run(command, check=True, capture_output=True, text=True, errors="replace")
        # At once: another process may have the one before loaded.
        made.replace(root / LIBRARY)


if __name__ == "__main__":
    sys.exit(compiled(Path(__file__).parent) or None)
