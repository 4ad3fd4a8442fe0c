"""The environment of the tools that ours is measured against, apart from the project's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RUNNER = Path(__file__).with_name("peer_runner.py")
REQUIREMENTS = Path(__file__).with_name("peers.txt")


def peers_python(folder: Path, requirements: Path = REQUIREMENTS) -> Path:
    """Return the Python of an environment for tools, made in `folder` if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)]
        subprocess.run(pip, check=True)
    return python
