"""What ships beside the package: services that systemd accepts, an image that holds the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.unit_files import read_unit

ROOT = Path(__file__).parents[2]
SERVICES = sorted((ROOT / "packaging" / "systemd").glob("*.service"))
MANUAL = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
_PROGRAMS = "/opt/livercohort/.venv/bin/"
each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.stem)


@each_service
def test_systemd_accepts_the_service(service: Path, tmp_path: Path) -> None:
    """The program that it starts is put where it looks for one; all else is as it ships."""
    if shutil.which("systemd-analyze") is None:
        if os.environ.get("LIVERCOHORT_REQUIRE_SYSTEMD"):
            pytest.fail("systemd is required and not installed")
        pytest.skip("systemd is not installed; the strict reading below holds without it")
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


@each_service
def test_a_strict_reader_knows_every_line_of_the_service(service: Path) -> None:
    assert read_unit(service)["Unit.Description"].startswith("livercohort: ")


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("UMask=0077", "Umask=0077"),
        ("UMask=0077", "UMask=77"),
        ("UMask=0077", ""),
        ("User=livercohort", ""),
        ("User=livercohort", "User=livercohort\nUser=root"),
        ("[Service]", "[Sevice]"),
        ("[Install]", ""),
        ("Restart=always", "Restart=allways"),
        ("ProtectSystem=strict", "ProtectSystem=strickt"),
        ("ProtectSystem=strict", "ProtectSystem = strict"),
        ("ExecStart=/opt/", "ExecStart=opt/"),
        ("RestartSec=10", "RestartSec=10 # seconds"),
        ("PrivateTmp=true", "PrivateTemp=true"),
    ],
)
def test_a_service_with_one_wrong_line_is_refused(line: str, instead: str, tmp_path: Path) -> None:
    text = SERVICES[-1].read_text(encoding="utf-8")
    assert line in text
    wrong = tmp_path / SERVICES[-1].name
    wrong.write_text(text.replace(line, instead), encoding="utf-8")
    with pytest.raises(ValueError, match=wrong.name):
        read_unit(wrong)


@each_service
def test_the_service_starts_a_command_that_is_there_with_options_that_it_has(
    service: Path, tmp_path: Path
) -> None:
    program, *arguments = read_unit(service)["Service.ExecStart"].split()
    assert program.startswith(_PROGRAMS)
    here = Path(sys.executable).with_name(program.removeprefix(_PROGRAMS))
    words = [a for a in arguments[:2] if re.fullmatch("[a-z]+", a)]
    told = subprocess.run(
        [here, *words, "--help"],
        env={**os.environ, "PREFECT_HOME": str(tmp_path), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    options = {a for a in arguments if a.startswith("--")}
    assert options
    assert {o for o in options if not re.search(rf"{o}\b", told)} == set()


@each_service
def test_the_manual_makes_what_the_service_needs(service: Path) -> None:
    found = read_unit(service)
    assert f"useradd --system --home-dir {found['Service.ReadWritePaths']}" in MANUAL
    assert f"/usr/sbin/nologin {found['Service.User']}\n" in MANUAL
    assert f"LIVERCOHORT_HOME={found['Service.ReadWritePaths']}\n" in MANUAL
    assert f"`{found['Service.EnvironmentFile']}`" in MANUAL
    assert found["Service.WorkingDirectory"] in _PROGRAMS


def test_the_manual_names_every_service() -> None:
    assert len(SERVICES) == 3
    assert [path.name for path in SERVICES if path.name not in MANUAL] == []
