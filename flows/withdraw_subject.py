"""A subject withdraws: one lease, one record, and for an erasure every zone in order."""

from __future__ import annotations

import re
from functools import partial

from flows.rehearsal import erase_pages
from flows.withdrawals import nobody_shows
from schemas.errors import BadInputError
from schemas.identifiers import SiteCode, SubjectId
from schemas.run.atomic_files import sha256_of_file
from schemas.run.orphans import SILENT_S, sweep_orphans
from schemas.run.settings import Settings
from schemas.run.stage_errors import forget_traces
from schemas.run_context import release_bench
from schemas.vault.anchors import changing_anchors
from schemas.vault.inspections import forget_later
from schemas.vault.keys import KeyRing
from schemas.vault.subjects import Vault
from schemas.vault.suppression import Scope, Withdrawal, record_withdrawal, suppressed_among
from tasks.clinical.store_erase import erase_from_forms
from tasks.deidentify.search.store_kept_parts import forget_parts
from tasks.deidentify.store_erase import erase_from_identifiers
from tasks.desk.store_erase import erase_page
from tasks.eligibility.store_kept import forget_verdicts
from tasks.publish.erase.store_erase import erase_from_releases, publish_without, releases_with
from tasks.publish.signature import Signer
from tasks.publish.store import newest_release, point_latest, release_folders, sweep_staging
from tasks.publish.store_checked import forget_gone
from tasks.publish.store_kept_images import forget_images
from tasks.publish.store_origin import record_if_own, record_release
from tasks.publish.store_remote import (
    erase_at_batches,
    erase_at_releases,
    erase_series,
    push_release,
)
from tasks.queries.store_erase import erase_from_queries
from tasks.receive.store import sweep_interrupted
from tasks.receive.store_erase import count_in_inbox, erase_from_warehouse, series_of
from tasks.receive.store_lease import lease
from tasks.report.store_erase import erase_from_reports, reports_naming
from tasks.verification.store import erase_from_verification

_PSEUDONYM = re.compile(r"([SX][0-9]{2,3})-[A-Z2-7]{8}")


def known_subject(settings: Settings, ring: KeyRing, subject: str) -> tuple[SiteCode, SubjectId]:
    """Return site and pseudonym of a subject that the vault or the suppression list knows.

    Raises
    ------
    BadInputError
        If it is no pseudonym, or nobody's.
    """
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


def withdraw_subject(
    settings: Settings, ring: KeyRing, site: SiteCode, subject_id: SubjectId, act: Withdrawal
) -> dict[str, object]:
    """Record the withdrawal, and erase the subject where it asks for that; both may be repeated.

    Returns
    -------
    dict
        `subject_id`, `scope`, `recorded_before`; of an erasure also what was taken out, by
        zone, and what is `left` for people to do; else `still_shown_in`: the releases and
        reports made before, of which nothing is destroyed.
    """
    zones = settings.zones
    with nobody_shows(zones), lease(zones, SiteCode("release")), lease(zones, site):
        fresh = record_withdrawal(settings.zones.restricted, ring, subject_id, act)
        done: dict[str, object] = {
            "subject_id": subject_id,
            "scope": act.scope.value,
            "recorded_before": not fresh,
        }
        if act.scope is Scope.ERASE:
            done |= _erase(settings, ring, site, subject_id)
        else:
            done["still_shown_in"] = {
                "releases": [path.name for path in releases_with(zones.releases, subject_id)],
                "reports": [path.name for path in reports_naming(zones, subject_id)],
            }
    return done


def _erase(
    settings: Settings, ring: KeyRing, site: SiteCode, subject_id: SubjectId
) -> dict[str, object]:
    """Take the subject out of every zone; each step may be repeated."""
    zones = settings.zones
    vault = Vault(zones.vault, ring)
    assigned = vault.assignments(site)
    own = {patient: a for patient, a in assigned.items() if a.subject_id == subject_id}
    patients = [str(patient) for patient in own]
    sweep_staging(zones.releases)
    # What a killed writer left and what a trace quotes may be of the subject. Under both leases:
    # nobody works on what a killed night of the site or a killed release left.
    sweep_orphans(zones, SILENT_S)
    sweep_interrupted(zones, site)
    release_bench(settings).close()
    forget_traces(zones)
    if settings.warehouse_url:
        erase_series(settings.warehouse_url, site, series_of(zones, site, subject_id))
    warehouse = erase_from_warehouse(zones, site, subject_id, patients)
    form_rows = erase_from_forms(zones, ring, site, subject_id)
    erase_from_identifiers(zones, ring, site, subject_id)
    forget_later(zones, ring, site, subject_id)
    forget_verdicts(zones)
    forget_images(zones)
    forget_gone(zones)
    forget_parts(zones)
    with changing_anchors(zones, ring) as change:
        for path in sorted((zones.warehouse / "batches" / site).glob("[!.]*/batch.json")):
            change.batch(site, path.parent.name, sha256_of_file(path))
    signer = Signer.of(ring)
    issued = publish_without(zones.releases, subject_id, signer)
    newest = newest_release(zones.releases)
    # Also that of a call before, killed when it had published it.
    if newest is not None and record_if_own(zones, ring, newest, signer.public):
        point_latest(zones.releases, newest.name)
    remember = partial(record_release, zones, ring)
    erased = erase_from_releases(zones.releases, subject_id, signer, before_each=remember)
    if settings.warehouse_url:
        erase_at_batches(settings.warehouse_url, zones, site)
    if settings.releases_url:
        erase_at_releases(settings.releases_url, release_folders(zones.releases))
        if (zones.releases / "latest").exists():
            push_release(settings.releases_url, (zones.releases / "latest").resolve())
    reports = erase_from_reports(zones, subject_id)
    erase_page(zones)
    erase_pages(zones, site)
    numbers = {str(a.subject_no) for a in own.values()}
    queries = erase_from_queries(zones, subject_id, numbers)
    verified = erase_from_verification(zones, site, subject_id)
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
        "verification_items": verified,
        "releases": erased,
        "new_version": issued,
        "vault_links": links,
        "left": {"files_in_inbox": in_inbox},
    }
