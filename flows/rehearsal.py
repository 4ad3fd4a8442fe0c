"""Read an export as a night would, into a scratch folder, and say what would be set aside.

Nothing is written elsewhere: a key of its own is made and thrown away with the folder, so a site
needs neither ours nor the vault.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import BadInputError
from schemas.finding_texts import read_finding_texts
from schemas.identifiers import SiteCode
from schemas.package_data import data_contracts_dir
from schemas.pixel_decisions import PixelDecisions
from schemas.records import Delivery, FileKind, FileOutcome, Finding
from schemas.run.settings import Settings
from schemas.run.sites import read_site
from schemas.run.zones import Zones
from schemas.run_context import require_key
from schemas.states import ReasonCode
from schemas.vault.keys import KEY_BYTES, KeyRing
from schemas.vault.pixel_decision_log import read_decisions
from schemas.vault.subjects import LinkageRow, Vault
from tasks.clinical.store import read_forms
from tasks.deidentify.search.store_picture_words import words_of
from tasks.deidentify.store import deidentify_batch
from tasks.inspect.store_rehearse import rehearse_inspection
from tasks.operate.rehearsal import Rehearsed, rehearsal_page
from tasks.receive.accounting import (
    hold_what_two_subjects_share,
    require_all_accounted,
    settle_against_warehouse,
)
from tasks.receive.store import Export, export_at, pending_exports, take_in
from tasks.receive.store_commit import read_known_instances, read_known_pixels
from tasks.receive.store_linkage import link_subjects

#: Whose rules are used where a site has not said who it is; no number of it is ever shown.
NOBODYS_SITE = SiteCode("S91")


def check_folder(folder: Path, *, workers: int, scratch: Path | None = None) -> Rehearsed:
    """Read one export that lies anywhere.

    Raises
    ------
    BadInputError
        If there is no such folder or zip, or it holds no file.
    """
    if not folder.exists():
        raise BadInputError("there is no such folder or zip", where=str(folder))
    with _scratch(scratch, NOBODYS_SITE) as zones:
        ring = KeyRing(secrets.token_bytes(KEY_BYTES))
        export = export_at(folder, read_site(NOBODYS_SITE))
        return _read(export, zones, NOBODYS_SITE, ring, workers, warehouse=None)


def rehearse_site(settings: Settings, site: SiteCode) -> list[tuple[int, Rehearsed]]:
    """Read every export of a site that the next night would take in, by its number.

    Who was linked before is looked up with the key, as a night would; the vault is only read.
    """
    ring = require_key(settings, site)
    known = Vault(settings.zones.vault, ring).assignments(site)
    earlier = [LinkageRow(a.subject_no, patient_id) for patient_id, a in known.items()]
    decisions = read_decisions(settings.zones, ring)
    exports = pending_exports(settings.zones, read_site(site), now_ns=time.time_ns())
    found = []
    for export in exports:
        with _scratch(settings.zones.work, site) as zones:
            # A vault of the scratch folder with what the real one knows: conflicts are found.
            Vault(zones.vault, ring).assign(site, earlier)
            read = _read(
                export,
                zones,
                site,
                ring,
                settings.workers,
                warehouse=settings.zones,
                decisions=decisions,
            )
            found.append((export.number, read))
    return found


def page_path(zones: Zones, site: str, number: int) -> Path:
    """Return where the page of an export lies: in the closed scratch zone."""
    return zones.work / f"rehearsal-{site}-{number}.md"


def erase_pages(zones: Zones, site: str) -> None:
    """Remove the pages of a site: they name files as the site does, and a file may name a person.

    The next rehearsal writes them anew.
    """
    for page in zones.work.glob(f"rehearsal-{site}-*.md"):
        page.unlink(missing_ok=True)


def page_of(found: Rehearsed) -> str:
    """Return what was found as a page in Chinese and English."""
    path = data_contracts_dir() / "site_delivery" / "findings.yaml"
    return rehearsal_page(found, read_finding_texts(path))


def _read(
    export: Export,
    zones: Zones,
    site: SiteCode,
    ring: KeyRing,
    workers: int,
    *,
    warehouse: Zones | None,
    decisions: PixelDecisions | None = None,
) -> Rehearsed:
    delivery = take_in(export, zones, site, ring)
    linkage = link_subjects(zones, ring, delivery)
    images = [file for file in delivery.files if file.kind is FileKind.IMAGE]
    folder = zones.work / "dicom"
    read = deidentify_batch(images, linkage.assignments, ring, folder, workers, decisions)
    settled = rehearse_inspection(
        _settled(list(read.outcomes), site, warehouse),
        folder,
        ring,
        settled=read.settled,
        words={who: words_of(person) for who, person in read.identifiers.items()},
        warehouse=warehouse,
        workers=workers,
    )
    forms = read_forms(delivery.files, site=site)
    outcomes = require_all_accounted(delivery.files, [*linkage.outcomes, *settled, *forms.outcomes])
    return _rehearsed(delivery, outcomes, forms.findings, has_linkage=bool(linkage.assignments))


def _settled(
    outcomes: list[FileOutcome], site: SiteCode, warehouse: Zones | None
) -> list[FileOutcome]:
    """Compare with what earlier nights brought, where there is a warehouse."""
    if warehouse is None:
        return hold_what_two_subjects_share(outcomes, [])[0]
    features = [outcome.features for outcome in outcomes if outcome.features]
    known = read_known_instances(
        warehouse,
        site,
        studies={str(f.study_uid) for f in features},
        series={str(f.series_uid) for f in features},
    )
    settled, _ = hold_what_two_subjects_share(outcomes, known)
    arrived = {str(outcome.sop_uid) for outcome in settled if outcome.sop_uid}
    return settle_against_warehouse(settled, read_known_pixels(warehouse, site, arrived))[0]


def _rehearsed(
    delivery: Delivery,
    outcomes: tuple[FileOutcome, ...],
    findings: tuple[Finding, ...],
    *,
    has_linkage: bool,
) -> Rehearsed:
    names = {file.file_no: file.relative_path for file in delivery.files}
    aside: dict[ReasonCode, list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.reason is not None:
            aside[outcome.reason].append(names[outcome.file_no])
    states = [outcome.state for outcome in outcomes]
    return Rehearsed(
        states={state: states.count(state) for state in set(states)},
        aside=dict(aside),
        findings=findings,
        absent=delivery.absent_paths,
        has_linkage=has_linkage,
    )


@contextmanager
def _scratch(below: Path | None, site: SiteCode) -> Iterator[Zones]:
    if below is not None:
        below.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Named like scratch of the site, so that the next night sweeps what a kill leaves.
    with tempfile.TemporaryDirectory(prefix=f"{site}-rehearsal-", dir=below) as folder:
        zones = Zones(Path(folder))
        zones.create()
        yield zones
