"""What ships beside the package: services that systemd accepts, as the manual names them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = sorted((ROOT / "packaging" / "systemd").glob("*.service"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.stem)
def test_systemd_accepts_the_service(service: Path, tmp_path: Path) -> None:
    """The program that it starts is put where it looks for one; all else is as it ships."""
    program = tmp_path / "bin"
    program.mkdir()
    text = service.read_text(encoding="utf-8")
    for name in ("prefect", "livercohort"):
        (program / name).symlink_to("/bin/true")
    text = text.replace("/opt/livercohort/.venv/bin", str(program))
    (tmp_path / service.name).write_text(text, encoding="utf-8")
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / service.name)],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )  # fmt: skip
    own = [line for line in checked.stderr.splitlines() if service.name in line]
    assert (checked.returncode, own) == (0, [])


def test_the_manual_names_every_service() -> None:
    manual = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert len(SERVICES) == 3
    assert [path.name for path in SERVICES if path.name not in manual] == []
