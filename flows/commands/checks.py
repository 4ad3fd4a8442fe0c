"""What must be in place on a machine, each with the way to mend it."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from schemas.errors import LivercohortError
from schemas.run.settings import QUIET_ENVIRONMENT, Settings
from schemas.vault.anchors import Anchors, read_anchors, require_own_vault
from schemas.vault.keys import read_key_file
from schemas.vault.look_ups import read_log
from schemas.vault.subjects import Vault

#: From which version on a library breaks the scheduler, and what then happens. The same bounds
#: stand in pyproject.toml; an environment that somebody mended by hand may pass them.
BREAKING_VERSIONS = {
    "sqlalchemy": ((2, 1), "the server's scheduler starts no run"),
    "fastapi": ((0, 151), "deployments stop after the first site"),
    "prefect": ((3, 9), "nobody has tried it here"),
}

#: The software is younger than this; an older clock shifts windows and leases.
_EARLIEST_PLAUSIBLE_CLOCK = 1_760_000_000


@dataclass(frozen=True)
class Check:
    """One thing that must be in place."""

    name: str
    ok: bool
    found: str
    mend: str = ""


def run_checks(settings: Settings, *, min_free_gib: float) -> list[Check]:
    """Run every check; none of them changes anything but an empty probe file."""
    return [
        _check_home(settings),
        _check_key(settings),
        _check_vault(settings),
        _check_tables(settings),
        _check_audit(settings),
        _check_decisions(settings),
        _check_converter(),
        _check_models(),
        _check_disk(settings, min_free_gib),
        _check_clock(settings),
        _check_telemetry(),
        _check_database(),
        check_versions(),
        _check_site_files(),
    ]


def existing_parent(path: Path) -> Path:
    """Return the nearest folder at or above `path` that exists."""
    return next(p for p in (path, *path.parents) if p.exists())


def _check_home(settings: Settings) -> Check:
    base = existing_parent(settings.zones.home)
    ok = base.is_dir() and os.access(base, os.W_OK | os.X_OK)
    found = f"{settings.zones.home} {'can' if ok else 'cannot'} be written"
    return Check("home", ok, found, "Give this user the right to write there, or set --home.")


def _check_key(settings: Settings) -> Check:
    try:
        ring = read_key_file(settings.master_key_file)
    except LivercohortError as error:
        return Check("key", ok=False, found=error.found, mend=error.hint)
    return Check("key", ok=True, found=f"{ring.key_id}{' (demo)' if ring.is_demo else ''}")


def _check_vault(settings: Settings) -> Check:
    path, is_file = settings.zones.vault_file, not settings.vault_url
    try:
        anchors = _anchors(settings)
        if is_file and not path.is_file():
            require_own_vault(anchors, frozenset())
            return Check("vault", ok=True, found="none yet; the first ingest makes it")
        vault = Vault(settings.zones.vault, read_key_file(settings.master_key_file))
        fields = vault.check()
        require_own_vault(anchors, vault.subject_tokens())
        entries = len(read_log(vault, settings.zones.look_up_head))
    except LivercohortError as error:
        return Check("vault", ok=False, found=error.found, mend=error.hint)
    if is_file and path.stat().st_mode & 0o077:
        return Check("vault", ok=False, found="can be read by others", mend=f"chmod 600 {path}")
    found = f"opens with the key: {fields} fields, {entries} look-ups logged"
    return Check("vault", ok=True, found=f"{found}{'' if is_file else ' (PostgreSQL)'}")


def _check_tables(settings: Settings) -> Check:
    from flows.signed_tables import check_signed_tables

    checked = check_signed_tables(settings.zones)
    if not checked.problems:
        return Check("tables", ok=True, found=f"{checked.files} signed tables can be used")
    found = f"{len(checked.problems)} problems, the first in {checked.problems[0].where}"
    return Check("tables", ok=False, found=found, mend="`livercohort rules check` lists all.")


def _anchors(settings: Settings) -> Anchors | None:
    if not settings.master_key_file.is_file():
        return None  # the check of the key says so
    return read_anchors(settings.zones, read_key_file(settings.master_key_file))


def _check_audit(settings: Settings) -> Check:
    from tasks.deidentify.store_audit import broken_audits

    try:
        ring = read_key_file(settings.master_key_file)
    except LivercohortError as error:
        return Check("audit", ok=False, found=error.found, mend=error.hint)
    wrong = broken_audits(settings.zones, ring)
    mend = "Restore the audit from backup and tell who is responsible for data protection."
    return Check("audit", not wrong, "; ".join(wrong) or "every chain holds to its head", mend)


def _check_decisions(settings: Settings) -> Check:
    from schemas.vault.pixel_decision_log import read_decisions

    try:
        ring = read_key_file(settings.master_key_file)
        kept = read_decisions(settings.zones, ring)
    except LivercohortError as error:
        return Check("decisions", ok=False, found=error.found, mend=error.hint)
    found = f"{len(kept.decisions)} decisions about what was held; the chain holds"
    return Check("decisions", ok=True, found=found)


def _check_converter() -> Check:
    from tasks.convert.store_binary import converter_identity

    try:
        version, sha256 = converter_identity()
    except LivercohortError as error:
        return Check("dcm2niix", ok=False, found=error.found, mend=error.hint)
    return Check("dcm2niix", ok=True, found=f"{version} (binary {sha256[:12]})")


def _check_models() -> Check:
    from tasks.inspect.rules import load_rules
    from tasks.inspect.store_models import read_models

    try:
        rules = load_rules()
        read_models(rules)
    except LivercohortError as error:
        return Check("inspection", ok=False, found=error.found, mend=error.hint)
    return Check("inspection", ok=True, found=f"models as measured, rules {rules.rules_id}")


def _check_disk(settings: Settings, min_free_gib: float) -> Check:
    free_gib = shutil.disk_usage(existing_parent(settings.zones.home)).free / 2**30
    found = f"{free_gib:.1f} GiB free, {min_free_gib:g} wanted"
    return Check("disk", free_gib >= min_free_gib, found, "Free space or move the home.")


def _check_clock(settings: Settings) -> Check:
    now = time.time()
    releases = settings.zones.releases
    newest = max((p.stat().st_ctime for p in releases.glob("*") if p.is_dir()), default=0.0)
    ok = now > max(_EARLIEST_PLAUSIBLE_CLOCK, newest - 60)
    found = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(now))
    return Check("clock", ok, found, "The clock is behind the last release: set the time.")


def _check_telemetry() -> Check:
    on = [name for name, value in QUIET_ENVIRONMENT.items() if os.environ.get(name) != value]
    found = "off" if not on else f"not off: {', '.join(on)}"
    return Check("telemetry", not on, found, "Unset these variables; commands set them to off.")


def _check_database() -> Check:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return Check("database", ok=True, found="no Prefect server is named, and none is needed")
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310 - the user's own URL
            return Check("database", ok=True, found="the Prefect server answers")
    except (urllib.error.URLError, TimeoutError, ValueError):
        found = "the Prefect server of PREFECT_API_URL does not answer"
        return Check("database", ok=False, found=found, mend="Start it, or unset PREFECT_API_URL.")


def check_versions(installed: Callable[[str], str] = version) -> Check:
    """Check that no library is of a version with which nights do not start by themselves."""
    broken = []
    for name, (bound, happens) in BREAKING_VERSIONS.items():
        found = installed(name)
        if tuple(int(n) for n in re.findall(r"\d+", found)[: len(bound)]) >= bound:
            broken.append(f"{name} {found}: {happens}")
    mend = "Install what requirements.lock names: make test, or pip install --require-hashes."
    return Check("versions", not broken, "; ".join(broken) or "as tried together", mend)


def _check_site_files() -> Check:
    from schemas.run.sites import read_sites

    try:
        found = f"{len(read_sites())} sites may deliver"
    except LivercohortError as error:
        return Check("sites", ok=False, found=error.message, mend="livercohort site check")
    return Check("sites", ok=True, found=found)
