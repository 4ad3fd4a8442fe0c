"""Whether anything that a release is made from has changed since the last one looked.

Closed by default: every file of a home counts unless it stands in `NOT_READ`, every setting of
the environment, every file of the package and the name of every library counts. What nobody
thought of therefore makes a release look at everything anew; it never makes one stay out.

Small files count by their bytes, images and set aside bytes by their directory entry: what is
written to a file changes that, and a bit that flips on a disk is found by the weekly look at
every image, for which the shortcut stands back.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from schemas.hospital_day import hospital_today
from schemas.package_data import data_contracts_dir
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, sha256_of_file, write_bytes
from schemas.run.settings import Settings, own_environment
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing, Purpose

#: Folders and files of a home that no release reads, and why; all else counts.
NOT_READ = {
    "inbox": "what sites deliver; a night reads it",
    "work": "scratch",
    "logs": "what was told",
    "prefect": "the run console's own",
    "operations/digests": "what was told of a morning",
    "operations/leases": "who is at work now",
    "operations/metrics": "times of nights",
    "operations/nights": "times of nights",
    "restricted/release_inputs.json": "this record itself",
    "restricted/volume_parts.kept": "what of volumes is searched; read anew where it is gone",
    "restricted/images": "rows of images by what they were made from; made anew if they are gone",
    "restricted/verdicts": "verdicts by what they were made from; made anew where they are gone",
    "reports/.pictures": "drawn from volumes, and named by what they show",
}
#: What a release itself writes, and why nobody else does while one is made.
WRITTEN = {
    "restricted/checked/": "hashes it has seen",
    "restricted/accrual/": "accrual, made anew",
    "restricted/adjudication/": "pages for readers, made anew",
    "restricted/outgoing/": "lists for readers; nothing of it is read",
    "restricted/held_words.csv": "words it holds somebody for",
    "restricted/anchors.sealed": "the digest of the release; its lock keeps others out",
    "restricted/.anchors.sealed.lock": "that lock",
    "operations/label_rules/": "the label tables it used",
    "releases/": "the release",
    "reports/": "its report",
}
#: Where a release raises and closes queries: what it made of them is looked at by `renewed`.
QUERIES = "operations/queries"
#: Large and many: these count by their directory entries, of a folder together.
_BY_FOLDER = ("warehouse/dicom", "restricted/quarantine")
#: Large: each counts by its directory entry.
_VOLUMES = "warehouse/nifti/"
#: What was made from inputs: no day in it is a bound.
_MADE = ("releases/", "reports/")
_PACKAGE = ("data_contracts", "expectations", "flows", "livercohort", "schemas", "tasks")
_TEXT = frozenset({".csv", ".json", ".jsonl", ".yaml"})
_DAY = re.compile(rb"(?<!\d)(20\d\d-[01]\d-[0-3]\d)(?!\d)")
#: Of a report what states its parts, and what a person opens.
_OF_REPORT = ("index.html", "report.json")
_NAME = "release_inputs.json"
_NAME_OF = attrgetter("name")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Inputs:
    """Every input by name, with what it is now; and on which days one may come to mean another.

    Parameters
    ----------
    seen : mapping of str to str
        Place → digest of its bytes, or its directory entry.
    days : frozenset of str
        Days that stand in tables and registers: a waiver ends on one, a site begins on another.
    day : datetime.date
        The day at the hospitals when they were looked at: a release that goes on past midnight
        judged by the day it began.
    """

    seen: Mapping[str, str] = field(repr=False)
    days: frozenset[str] = frozenset()
    day: dt.date = field(default_factory=hospital_today)

    def digest(self, ring: KeyRing) -> str:
        """Return the keyed digest over all of them."""
        whole = sha256_of_bytes(canonical_json(self.seen))
        return str(ring.keyed_digest(whole, Purpose.RELEASE_INPUTS))

    def of(self, places: tuple[str, ...], *, inside: bool) -> dict[str, str]:
        """Return those inside or outside of some places; of volumes what a link leaves alone."""
        return {
            name: _unlinked(value) if name.startswith(_VOLUMES) else value
            for name, value in self.seen.items()
            if name.startswith(places) is inside
        }


def inputs_file(zones: Zones) -> Path:
    """Return where it is kept what the last release was made from."""
    return zones.restricted / _NAME


def read_inputs(settings: Settings, ring: KeyRing) -> Inputs:
    """Look at everything a release is made from.

    Parameters
    ----------
    settings : Settings
        Of this process: whose home, which vault.
    ring : KeyRing
        Gives the digest of what must not stand in the open.
    """
    seen, days = _seen(_files(settings))
    volumes = f"releases/{_newest(settings.zones.releases)}/nifti"
    for zone in (*_BY_FOLDER, volumes):
        seen.update(_of_folders(settings.zones.home, zone))
    return Inputs({**seen, **dict(_of_process(settings, ring))}, days)


def renewed(began: Inputs, zones: Zones) -> Inputs:
    """Return the inputs with the queries as they stand now: a release has just written them."""
    queries, _ = _seen(_walk(zones.home, QUERIES, "", NOT_READ.__contains__))
    others = {name: one for name, one in began.seen.items() if not name.startswith(QUERIES)}
    return replace(began, seen={**others, **queries})


def unchanged_since(
    zones: Zones, inputs: Inputs, ring: KeyRing, today: dt.date
) -> dict[str, Any] | None:
    """Return what the last release said, if it was made from these inputs; else None.

    A day on which a dated input comes to mean another, and the weekly look at every image,
    make a release look at everything anew.
    """
    try:
        kept = json.loads(inputs_file(zones).read_bytes())
        facts = kept["facts"]
        is_same = kept["digest"] == _sealed(facts, inputs, ring)
        stands = is_same and _stands(facts, today)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(facts["result"]) if stands else None


def _stands(facts: Mapping[str, Any], today: dt.date) -> bool:
    """Return whether no clock says otherwise; one that was set back is asked for everything."""
    until = facts["stands_until"]
    return bool(
        facts["made_at"] <= time.time() <= facts["look_again_at"]
        and facts["made_on"] <= today.isoformat()
        and (until is None or today.isoformat() < until)
    )


def keep_inputs(
    settings: Settings,
    ring: KeyRing,
    began: Inputs,
    result: Mapping[str, Any],
    *,
    today: dt.date,
    look_again_at: float,
) -> bool:
    """Keep what a release was made from, unless something of it changed meanwhile.

    Parameters
    ----------
    began : Inputs
        As they were when the release began.
    result : mapping
        What the same release would say again.
    today : datetime.date
        The day at the hospitals when the release began.
    look_again_at : float
        From when every image has to be looked at again, in seconds since 1970.

    Returns
    -------
    bool
        False when something changed: then the next release looks at everything.
    """
    now = read_inputs(settings, ring)
    own = tuple(WRITTEN)
    path = inputs_file(settings.zones)
    if began.of(own, inside=False) != now.of(own, inside=False):
        path.unlink(missing_ok=True)
        return False
    facts = {
        "result": dict(result),
        "made_at": time.time(),
        "made_on": today.isoformat(),
        "look_again_at": look_again_at,
        "stands_until": _next_turn(now.days, today),
    }
    kept = {"facts": facts, "digest": _sealed(facts, now, ring)}
    write_bytes(path, canonical_json(kept), mode=0o600)
    return True


def _sealed(facts: Mapping[str, Any], inputs: Inputs, ring: KeyRing) -> str:
    """Return the keyed digest over inputs and facts, so that neither can be exchanged."""
    whole = canonical_json([facts, inputs.digest(ring)])
    return str(ring.keyed_digest(sha256_of_bytes(whole), Purpose.RELEASE_INPUTS))


def _next_turn(days: frozenset[str], today: dt.date) -> str | None:
    """Return the next day on which a dated input may come to mean another; None without one.

    A bound may count the day itself or not, so the day after each is one as well.
    """
    turns = set()
    for text in days:
        try:
            day = dt.date.fromisoformat(text)
        except ValueError:
            continue
        turns |= {day, day + dt.timedelta(days=1)}
    return min((day.isoformat() for day in turns if day > today), default=None)


def _seen(files: Iterable[tuple[str, Path]]) -> tuple[dict[str, str], frozenset[str]]:
    seen: dict[str, str] = {}
    days: set[str] = set()
    for name, path in files:
        if path.is_symlink():
            seen[f"{name} link"] = str(path.readlink())
            if not path.is_file():
                continue  # a folder, whose files are listed, or nothing
        if _counts_by_entry(name):
            seen[name] = _entry(path)
        elif path.suffix in _TEXT and not name.startswith(_MADE):
            data = path.read_bytes()
            days.update(found.decode() for found in _DAY.findall(data))
            seen[name] = sha256_of_bytes(data)
        else:
            seen[name] = sha256_of_file(path)
    return seen, frozenset(days)


def _counts_by_entry(name: str) -> bool:
    """Return whether a file counts by its entry; of a release, all but what lies on top."""
    if name.startswith("releases/"):
        return name.count("/") > 2 or name.endswith(".duckdb")
    return name.startswith(_VOLUMES)


def _of_folders(home: Path, zone: str) -> Iterator[tuple[str, str]]:
    """Yield each folder of images and one digest over the entries of its files."""
    waiting = [zone] if (home / zone).is_dir() else []
    while waiting:
        inside = waiting.pop()
        lines = []
        with os.scandir(f"{home}/{inside}") as entries:
            for entry in sorted(entries, key=_NAME_OF):
                if entry.is_file(follow_symlinks=False):  # most are: millions of images
                    info = entry.stat(follow_symlinks=False)
                    lines.append(f"{entry.name} {_told(info)}")
                elif _is_folder(entry):
                    waiting.append(f"{inside}/{entry.name}")
                else:
                    lines.append(f"{entry.name} {_entry(entry)}")
        yield inside, sha256_of_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))


def _of_process(settings: Settings, ring: KeyRing) -> Iterator[tuple[str, str]]:
    for name, value in own_environment().items():
        yield f"environment/{name}", str(ring.keyed_digest(value, Purpose.RELEASE_INPUTS))
    yield "python", sys.version
    libraries = {p.name for entry in sys.path for p in Path(entry).glob("*.dist-info")}
    yield "libraries", sha256_of_bytes("\n".join(sorted(libraries)).encode())
    if settings.zones.vault_url is not None:
        from schemas.vault.database import VaultDatabase  # loads a library few homes need

        rows = VaultDatabase(settings.zones.vault_url).everything()
        yield "vault", str(ring.keyed_digest(repr(rows), Purpose.RELEASE_INPUTS))


def _files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield every file that counts, by a name that tells nothing of this machine."""
    home, package = settings.zones.home, data_contracts_dir().parent
    for part in _PACKAGE:
        yield from _walk(package, part, "package/", lambda name: "__pycache__" in name)
    yield "key", settings.master_key_file
    if settings.load_sites is not None:
        yield from _walk(settings.load_sites, "", "load_sites/", lambda _: False)
    newest = _newest(settings.zones.releases)
    left = {*NOT_READ, *_BY_FOLDER, os.path.relpath(settings.zones.inbox, home)}

    def is_left(name: str) -> bool:
        return name in left or _is_bulk(name, newest)

    yield from _walk(home, "", "", is_left)


def _is_bulk(name: str, newest: str) -> bool:
    """Return whether a place in releases or reports is a part of what its manifest states."""
    zone, _, rest = name.partition("/")
    folder, _, inner = rest.partition("/")
    if zone == "releases" and folder == "latest":
        return bool(inner)
    if zone == "releases" and _VERSION.fullmatch(folder):
        return folder != newest or inner == "nifti"
    if zone == "reports" and folder.startswith("release-"):
        return bool(inner) and inner not in _OF_REPORT
    return False


def _newest(releases: Path) -> str:
    latest = releases / "latest"
    return latest.readlink().name if latest.is_symlink() else ""


def _walk(
    root: Path, inside: str, prefix: str, is_left: Callable[[str], bool]
) -> Iterator[tuple[str, Path]]:
    try:
        entries = sorted(os.scandir(root / inside), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        name = f"{inside}/{entry.name}" if inside else entry.name
        if is_left(name):
            continue
        if entry.is_symlink() or not entry.is_dir():
            yield prefix + name, Path(entry.path)
        if _is_folder(entry):
            yield from _walk(root, name, prefix, is_left)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether to look inside: a zone may lie on another disk, behind a link."""
    if not (entry.is_dir() and entry.is_symlink()):
        return entry.is_dir()
    above = Path(entry.path).parent.resolve()
    # A link to a folder that it stands in has no end.
    return Path(entry.path).resolve() not in (above, *above.parents)


def _entry(file: Path | os.DirEntry[str]) -> str:
    """Return the directory entry of a file; of a link, that of what it leads to as well."""
    place = file.path if isinstance(file, os.DirEntry) else file
    told = _told(os.stat(place, follow_symlinks=False))  # noqa: PTH116  a link is not its file
    if file.is_symlink() and os.path.exists(place):  # noqa: PTH110
        return f"{told} {_told(os.stat(place))}"  # noqa: PTH116
    return told


def _told(info: os.stat_result) -> str:
    return f"{info.st_size} {info.st_ino} {info.st_mtime_ns} {info.st_ctime_ns}"


def _unlinked(entry: str) -> str:
    """Return of a directory entry what a second name, and the time a release gives, leave."""
    return " ".join(entry.split(" ")[:2])
