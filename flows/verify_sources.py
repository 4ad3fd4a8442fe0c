"""Source data verification: forms in force, vault and register in step with the rounds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flows.exchange_queries import current_user, look_up
from flows.withdrawals import LastLook, withdrawn_since
from schemas.clinical_rows import ClinicalRow
from schemas.errors import BadInputError
from schemas.identifiers import BatchId, SiteCode
from schemas.records import CohortLabels
from schemas.run.settings import Settings
from schemas.run.zones import Zones
from schemas.source_verification import load_fields, load_risks
from schemas.vault.keys import KeyRing, Purpose, read_key_file
from schemas.vault.subjects import Vault
from schemas.verification_counts import read_counts, write_counts
from tasks.clinical.form_contracts import read_form_contracts
from tasks.clinical.merge import BatchForms, merge_batches
from tasks.clinical.store import read_sealed
from tasks.eligibility.consent import consent_status
from tasks.eligibility.subjects import collect_subjects
from tasks.queries.states import Status
from tasks.queries.store import read_answer_table, read_queries, write_outgoing_table
from tasks.verification.exchange import (
    PlannedItem,
    count_results,
    headings,
    outgoing_row,
    read_rows,
    results_of,
    site_of,
)
from tasks.verification.plan import Item, items_of, risk_of, sample
from tasks.verification.store import Round, read_rounds, write_plan, write_results

_CHECK_DIGITS, _ITEM_DIGITS = 8, 12
_SETTLED = (Status.CLOSED, Status.CANCELLED)
_PERCENT = 100.0


def plan_site(
    settings: Settings, site: SiteCode, seed: str, by: str, at_last: LastLook
) -> dict[str, Any]:
    """Write the form of the next round of a site, or that of the round which is out.

    Parameters
    ----------
    settings : Settings
        Of this process.
    site : SiteCode
        Whose entries are compared.
    seed : str
        Seeds the sample; empty to seed it by the key.
    by : str
        Who asks, beside the system's user; may be empty.
    at_last : callable
        Given everybody in the round right before it is written, and raises to stop.

    Returns
    -------
    dict
        `site_code`, `round`, `risk`, `subjects`, how many there were `of`, `items`, `files`.

    Raises
    ------
    BadInputError
        If the site has no subject to compare, or its round is out with another seed.
    """
    zones, ring = settings.zones, read_key_file(settings.master_key_file)
    rows = _rows_in_force(zones, ring, site)
    consented = _consented(rows)
    gone = withdrawn_since(settings, consented)  # by a letter, which no form knows yet
    people = [one for one in consented if one not in gone]
    if not people:
        raise BadInputError("no subject of this site has forms and consent", where=f"site {site}")
    rounds = read_rounds(zones, site)
    out = rounds[-1] if rounds and rounds[-1].results is None else None
    if out is not None and out.seed != seed:
        raise BadInputError(
            f"round {out.number} of site {site} is out with another seed",
            hint="Import its form first, or plan again with the seed it was planned with.",
        )
    number = out.number if out else len(rounds) + 1
    if out is None:
        counts = [one for one in read_counts(zones) if one.site_code == site]
        risk = risk_of(counts, _conflict_percent(zones, site, people), load_risks())
        chosen = sample(people, risk, lambda subject: _rank(ring, seed, site, number, subject))
        name = risk.name
    else:
        chosen = sorted({one.subject_id for one in out.planned.values()} & set(people))
        name = out.risk
    items = items_of(rows, chosen, load_fields())
    identified = {_item_id(ring, site, number, item): item for item in items}
    at_last(chosen)
    if out is None:
        planned = [
            PlannedItem(key, one.subject_id, one.form, one.field_name, one.critical)
            for key, one in identified.items()
        ]
        write_plan(zones, site, number, seed, name, planned)
    else:
        identified = {key: one for key, one in identified.items() if key in out.planned}
    _log_look_ups(settings, ring, chosen, f"source data verification {site} round {number}", by)
    table = [
        outgoing_row(site, key, _check(ring, site, key), one, _names_of(one))
        for key, one in identified.items()
    ]
    files = write_outgoing_table(
        zones.outgoing(site), f"verification_{site}_{number:03}", [headings(), *table]
    )
    return {
        "site_code": site,
        "round": number,
        "risk": name,
        "subjects": len(chosen),
        "of": len(people),
        "items": len(table),
        "files": [str(path) for path in files],
    }


def import_form(settings: Settings, file: Path) -> dict[str, Any]:
    """Take in the form of a round, whole or not at all, and count it.

    Returns
    -------
    dict
        `site_code`, `round`, and how many values were `compared`, `differed`, had `no_source`.

    Raises
    ------
    BadInputError
        Names the lines that cannot be taken; nothing is changed then.
    """
    zones, ring = settings.zones, read_key_file(settings.master_key_file)
    rows = read_rows(read_answer_table(file.read_bytes()))
    site = site_of(rows)
    rounds = read_rounds(zones, site)
    out = rounds[-1] if rounds else None
    if out is None or out.results is not None:
        raise BadInputError(
            f"no form of site {site} is out",
            expected=f"`livercohort sdv plan {site}` before its form is imported",
            where="the form",
            hint="A round is imported once; what it found stands in the report.",
        )
    results = results_of(rows, out.planned, lambda item: _check(ring, site, item))
    write_results(zones, site, out.number, results)
    every = [*rounds[:-1], Round(out.number, out.seed, out.risk, out.planned, results)]
    closed = [(one.planned, one.results) for one in every if one.results is not None]
    write_counts(zones, site, count_results(site, closed))
    values = list(results.values())
    return {
        "site_code": site,
        "round": out.number,
        "compared": len(values) - values.count("no_source"),
        "differed": values.count("differs"),
        "no_source": values.count("no_source"),
    }


def sites_with_forms(zones: Zones) -> list[SiteCode]:
    """Return the sites of which a batch was committed."""
    found = {path.parent.parent.name for path in _batches(zones, "*")}
    return [SiteCode(code) for code in sorted(found)]


def _batches(zones: Zones, site: str) -> list[Path]:
    return sorted((zones.warehouse / "batches").glob(f"{site}/[!.]*/batch.json"))


def _rows_in_force(zones: Zones, ring: KeyRing, site: SiteCode) -> list[ClinicalRow]:
    batches = []
    for path in _batches(zones, site):
        batch = BatchId(path.parent.name)
        folder = zones.restricted_batch(site, batch)
        intake = read_sealed(folder, ring, site=site, batch_id=batch)
        batches.append(BatchForms(site, batch, intake))
    return list(merge_batches(batches, ring).rows)


def _consented(rows: Iterable[ClinicalRow]) -> list[str]:
    """Return the subjects whose records may be looked at."""
    subjects = collect_subjects(rows, CohortLabels(series=(), studies=()))
    return [one.subject_id for one in subjects if consent_status(one) in ("consented", "waived")]


def _conflict_percent(zones: Zones, site: str, people: list[str]) -> float:
    """Return the share of subjects with a major query that nobody has settled, in per cent."""
    named = {
        query.about.subject_id
        for query in read_queries(zones).values()
        if query.about.site_code == site
        and query.about.severity == "major"
        and query.status not in _SETTLED
    }
    return _PERCENT * len(named & set(people)) / len(people)


def _rank(ring: KeyRing, seed: str, site: str, number: int, subject: str) -> bytes:
    if not seed:
        return ring.mac(Purpose.LOOKUP, "verification-sample", site, str(number), subject)
    return hashlib.sha256("\n".join((seed, site, str(number), subject)).encode()).digest()


def _item_id(ring: KeyRing, site: str, number: int, item: Item) -> str:
    parts = (site, str(number), item.subject_id, item.form, item.row, item.field_name)
    return "V-" + ring.mac(Purpose.LOOKUP, "verification-item", *parts).hex()[:_ITEM_DIGITS]


def _check(ring: KeyRing, site: str, item: str) -> str:
    return "c-" + ring.mac(Purpose.LOOKUP, "verification-check", site, item).hex()[:_CHECK_DIGITS]


def _names_of(item: Item) -> tuple[str, str]:
    form = read_form_contracts()[item.form]
    return form.title.zh, form.field(item.field_name).header.zh


def _log_look_ups(
    settings: Settings, ring: KeyRing, subjects: Iterable[str], reason: str, by: str
) -> None:
    """Log whose numbers and dates go out, as every way from pseudonym to person is."""
    vault = Vault(settings.zones.vault, ring)
    for subject in subjects:
        look_up(settings, vault, subject, reason=reason, by=current_user(by))
