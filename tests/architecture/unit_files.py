"""Unit files read as strictly as systemd does, for machines that have none.

systemd ignores a directive that it does not know, and so a service that ships with one is not
protected by it. Here every line must be known: only what our services use is, from systemd.unit(5),
systemd.service(5), systemd.exec(5) and systemd.kill(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_BOOLEAN = r"true|false"
_ABSOLUTE = r"/[A-Za-z0-9._/-]+"
_UNIT = r"[a-z][a-z0-9.@-]*\.(service|target|socket)"
_UNITS = rf"{_UNIT}( {_UNIT})*"
_SECONDS = r"[1-9][0-9]*"

#: Section, directive and the values of it that we use; all of these stand at most once.
_KNOWN = {
    "Unit": {"Description": r"livercohort: [a-z]+", "After": _UNITS},
    "Service": {
        "User": r"[a-z][a-z0-9-]*",
        "WorkingDirectory": _ABSOLUTE,
        "EnvironmentFile": _ABSOLUTE,
        "ExecStart": rf"{_ABSOLUTE}( [A-Za-z0-9._:/=-]+)*",
        "Restart": r"no|always|on-failure|on-abnormal|on-abort|on-watchdog|on-success",
        "RestartSec": _SECONDS,
        "TimeoutStopSec": _SECONDS,
        "UMask": r"0[0-7]{3}",
        "NoNewPrivileges": _BOOLEAN,
        "PrivateTmp": _BOOLEAN,
        "ProtectSystem": r"true|false|full|strict",
        "ReadWritePaths": _ABSOLUTE,
    },
    "Install": {"WantedBy": _UNITS},
}
#: Without these a service runs as root, or where it must not write.
_NEEDED = {
    "Unit": {"Description"},
    "Service": set(_KNOWN["Service"]) - {"TimeoutStopSec"},
    "Install": {"WantedBy"},
}


def read_unit(path: Path) -> dict[str, str]:
    """Return the directives as `Section.Name`; raise ValueError for what is not known."""
    found: dict[str, str] = {}
    section = ""
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), start=1):
        if not line.strip() or line.startswith(("#", ";")):
            continue
        if line.startswith("["):
            section = line.removeprefix("[").removesuffix("]")
            if f"[{section}]" != line or section not in _KNOWN:
                raise ValueError(f"{path.name}:{number}: no section of ours: {line}")
            continue
        name, equals, value = line.partition("=")
        values = _KNOWN.get(section, {}).get(name)
        if not equals or values is None:
            raise ValueError(f"{path.name}:{number}: no directive of [{section}]: {line}")
        if re.fullmatch(values, value) is None:
            raise ValueError(f"{path.name}:{number}: no value of {name}: {value!r}")
        if f"{section}.{name}" in found:
            raise ValueError(f"{path.name}:{number}: {name} stands twice")
        found[f"{section}.{name}"] = value
    lacking = sorted(_lacking(found))
    if lacking:
        raise ValueError(f"{path.name}: no {', '.join(lacking)}")
    return found


def _lacking(found: dict[str, str]) -> Iterator[str]:
    for section, names in _NEEDED.items():
        yield from (f"{section}.{name}" for name in names if f"{section}.{name}" not in found)
