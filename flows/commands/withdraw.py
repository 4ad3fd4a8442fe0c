"""The command `withdraw`: keep a subject out of releases to come, or erase it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.console import HomeOption, JsonOption, say, say_json
from flows.commands.night import prepare_home
from schemas.errors import BadInputError
from schemas.identifiers import SiteCode, SubjectId
from schemas.run.settings import Settings, apply_environment
from schemas.vault.suppression import Scope, Withdrawal, record_withdrawal, require_complete

if TYPE_CHECKING:
    from schemas.vault.keys import KeyRing

_COUNTED = (
    "series",
    "warehouse_rows",
    "quarantined_files",
    "form_rows",
    "reports",
    "queries",
    "vault_links",
)
_PSEUDONYM = re.compile(r"([SX][0-9]{2,3})-[A-Z2-7]{8}")
_LEFT = {
    "files_in_inbox": "files in the inbox of the site name the person: remove them there",
}


def withdraw(
    subject: Annotated[str, typer.Argument(help="A pseudonym, e.g. S91-7K3QF2ZN.")],
    reason: Annotated[str, typer.Option(help="Why; it stays sealed in the restricted zone.")],
    scope: Annotated[Scope, typer.Option(help="suppress, or erase everything.")] = Scope.SUPPRESS,
    document: Annotated[str, typer.Option(help="The request an erasure rests on.")] = "",
    by: Annotated[str, typer.Option(help="Who asks for the erasure.")] = "",
    approved_by: Annotated[str, typer.Option(help="Who approves it: somebody else.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a subject out of every release to come; with --scope erase, destroy its data.

    Suppression destroys nothing. Erasure cannot be undone: it takes the subject out of
    warehouse, quarantine, sealed forms, queries, reports, vault and all releases, and issues a
    new major version if the newest held it.

    Example: livercohort withdraw S91-7K3QF2ZN --reason "letter of 3 March"
    """
    from schemas.vault.keys import read_key_file
    from tasks.receive.store_lease import lease

    act = Withdrawal(scope=scope, reason=reason, document=document, by=by, approved_by=approved_by)
    require_complete(act)
    settings = apply_environment(home=home)
    ring = read_key_file(settings.master_key_file)
    site, subject_id = _known_subject(settings, ring, subject)
    prepare_home(settings)
    with lease(settings.zones, SiteCode("release")), lease(settings.zones, site):
        fresh = record_withdrawal(settings.zones.restricted, ring, subject_id, act)
        done: dict[str, object] = {
            "subject_id": subject_id,
            "scope": scope.value,
            "recorded_before": not fresh,
        }
        if scope is Scope.ERASE:
            done |= _erase(settings, ring, site, subject_id)
    if as_json:
        say_json(done)
    else:
        _say_done(done)


def _known_subject(settings: Settings, ring: KeyRing, subject: str) -> tuple[SiteCode, SubjectId]:
    from schemas.vault.subjects import Vault
    from schemas.vault.suppression import suppressed_among

    found = _PSEUDONYM.fullmatch(subject)
    if found is None:
        raise BadInputError(f"{subject} is no pseudonym", expected="e.g. S91-7K3QF2ZN")
    site = SiteCode(found[1])
    known = {a.subject_id for a in Vault(settings.zones.vault, ring).assignments(site).values()}
    listed = suppressed_among(settings.zones.restricted, ring, [subject])
    if subject not in known and subject not in listed:
        raise BadInputError(
            f"nobody at {site} has the pseudonym {subject}",
            hint="Look it up in the table `subject` of a release; nothing was recorded.",
        )
    return site, SubjectId(subject)


def _erase(
    settings: Settings, ring: KeyRing, site: SiteCode, subject_id: SubjectId
) -> dict[str, object]:
    """Take the subject out of every zone; each step may be repeated."""
    from schemas.run.atomic_files import sha256_of_file
    from schemas.vault.anchors import changing_anchors
    from schemas.vault.subjects import Vault
    from tasks.clinical.store_erase import erase_from_forms
    from tasks.deidentify.store_erase import erase_from_identifiers
    from tasks.publish.erase.store_erase import erase_from_releases, publish_without
    from tasks.publish.signature import Signer
    from tasks.publish.store import release_folders, sweep_staging
    from tasks.publish.store_origin import record_releases
    from tasks.publish.store_remote import (
        erase_at_batches,
        erase_at_releases,
        erase_series,
        push_release,
    )
    from tasks.queries.store_erase import erase_from_queries
    from tasks.receive.store_erase import count_in_inbox, erase_from_warehouse, series_of
    from tasks.report.store_erase import erase_from_reports

    zones = settings.zones
    vault = Vault(zones.vault, ring)
    assigned = vault.assignments(site)
    own = {patient: a for patient, a in assigned.items() if a.subject_id == subject_id}
    patients = [str(patient) for patient in own]
    sweep_staging(zones.releases)
    if settings.warehouse_url:
        erase_series(settings.warehouse_url, site, series_of(zones, site, subject_id))
    warehouse = erase_from_warehouse(zones, site, subject_id, patients)
    form_rows = erase_from_forms(zones, ring, site, subject_id)
    erase_from_identifiers(zones, ring, site, subject_id)
    with changing_anchors(zones, ring) as change:
        for path in sorted((zones.warehouse / "batches" / site).glob("[!.]*/batch.json")):
            change.batch(site, path.parent.name, sha256_of_file(path))
    signer = Signer.of(ring)
    issued = publish_without(zones.releases, subject_id, signer)
    erased = erase_from_releases(zones.releases, subject_id, signer)
    written = (*erased, *([issued] if issued else []))
    record_releases(zones, ring, [zones.releases / version for version in written])
    if settings.warehouse_url:
        erase_at_batches(settings.warehouse_url, zones, site)
    if settings.releases_url:
        erase_at_releases(settings.releases_url, release_folders(zones.releases))
        if (zones.releases / "latest").exists():
            push_release(settings.releases_url, (zones.releases / "latest").resolve())
    reports = erase_from_reports(zones, subject_id)
    numbers = {str(a.subject_no) for a in own.values()}
    queries = erase_from_queries(zones, subject_id, numbers)
    in_inbox = count_in_inbox(zones, site, {*patients, *numbers})
    # Last: the steps before find the person's files by what the vault knows.
    links = vault.erase(subject_id)
    return {
        "series": warehouse.series,
        "warehouse_rows": warehouse.rows,
        "quarantined_files": warehouse.quarantined,
        "form_rows": form_rows,
        "reports": reports,
        "queries": queries,
        "releases": erased,
        "new_version": issued,
        "vault_links": links,
        "left": {"files_in_inbox": in_inbox},
    }


def _say_done(done: dict[str, object]) -> None:
    if done["scope"] == Scope.SUPPRESS:
        if done["recorded_before"]:
            say(f"{done['subject_id']} was withdrawn before. Nothing was changed.")
        else:
            say(f"{done['subject_id']} is in no release from the next on. Nothing was destroyed.")
        return
    if done["recorded_before"] and not any(done[name] for name in (*_COUNTED, "new_version")):
        say(f"{done['subject_id']} was erased before. Nothing was left to erase here.")
        say("The inbox was not searched: nobody knows the person's numbers any more.")
        return
    say(f"{done['subject_id']} was erased:")
    for name in _COUNTED:
        say(f"  {name.replace('_', ' ')}: {done[name]}")
    releases = done["releases"]
    say(f"  releases: {', '.join(map(str, releases)) if isinstance(releases, list) else ''}")
    say(f"  new version: {done['new_version'] or 'none, the newest did not hold the subject'}")
    left = done["left"]
    for name, number in left.items() if isinstance(left, dict) else ():
        if number:
            say(f"  left: {number}: {_LEFT[name]}")
