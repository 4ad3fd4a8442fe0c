"""Take decided files out of the quarantine again: as a batch of their own, as if they came now.

The files stay where they are. Which batch took which file in, and by which decision, is noted in
`restricted/taken_again/<SITE>/<BATCH>.json`; a note counts once its batch is committed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.identifiers import BatchId, Sha256, SiteCode
from schemas.pixel_decisions import PixelDecision, PixelDecisions
from schemas.records import DeliveredFile, Delivery, FileKind
from schemas.run.atomic_files import canonical_json, write_bytes
from schemas.run.zones import Zones
from schemas.states import ReasonCode
from schemas.vault.keys import KeyRing, Purpose
from schemas.vault.pixel_decision_log import read_decisions, record_decisions, with_id
from schemas.vault.subjects import Vault
from tasks.desk.decide import by_rule
from tasks.desk.held import (
    HeldFile,
    Hold,
    HoldState,
    TakenAgain,
    decision_about,
    named,
    state_of,
    state_of_file,
)
from tasks.desk.store_held import quarantined_bytes, read_holds
from tasks.desk.store_later import read_held_later

_BATCH_DIGITS = 16


@dataclass(frozen=True)
class Desk:
    """Everything held of one site, and what is known about it (restricted).

    `linked` are keyed tokens of the PatientIDs that somebody is linked to.
    """

    site: SiteCode
    holds: tuple[Hold, ...]
    decisions: PixelDecisions
    again: TakenAgain
    linked: frozenset[str]

    def state_of(self, hold: Hold) -> HoldState:
        """Return where a hold stands."""
        return state_of(hold, self.decisions, self.again, self.linked)

    def waiting(self) -> list[tuple[Hold, HeldFile, str]]:
        """Return the files that a decision takes in, each with its hold and the decision.

        A hold comes whole: while one of its files is open, none is taken.
        """
        found = []
        for hold in self.holds:
            # What lies in the warehouse is not taken in: the next night lets it go where it is.
            if self.state_of(hold) is not HoldState.WAITING or hold.files[0].stored:
                continue
            for file in hold.files:
                state = state_of_file(file, self.decisions, self.again, self.linked)
                decided = decision_about(file, self.decisions, self.linked)
                if state is HoldState.WAITING and decided is not None:
                    found.append((hold, file, named(decided)))
        return found

    def by_rules(self, today: dt.date) -> list[PixelDecision]:
        """Return what rules for devices decide about holds that nobody has decided."""
        found = []
        for hold in self.holds:
            rule = self.decisions.rule_for(hold.text, today)
            if rule is not None and self.state_of(hold) is HoldState.OPEN:
                found.append(by_rule(hold, rule, today))
        return found


def open_desk(zones: Zones, ring: KeyRing, site: SiteCode) -> Desk:
    """Return what is held of a site."""
    holds = [*read_holds(zones, ring, site), *read_held_later(zones, ring, site)]
    waits = any(hold.reason is ReasonCode.NO_LINKAGE for hold in holds)
    return Desk(
        site=site,
        holds=tuple(holds),
        decisions=read_decisions(zones, ring),
        again=read_taken_again(zones, site),
        linked=_linked(zones, ring, site) if waits else frozenset(),
    )


def has_work(zones: Zones, ring: KeyRing, site: SiteCode, today: dt.date) -> bool:
    """Return whether a night would take anything of a site out of the quarantine."""
    desk = open_desk(zones, ring, site)
    return bool(_planned(desk, ring, today).waiting())


def take_again(zones: Zones, ring: KeyRing, site: SiteCode, today: dt.date) -> Delivery | None:
    """Return the decided files of a site as a delivery; None where nothing waits.

    What rules for devices decide is recorded first, as decisions about the pixels they meet.
    The same files by the same decisions are the same batch.
    """
    desk = open_desk(zones, ring, site)
    if not _planned(desk, ring, today).waiting():
        return None
    if record_decisions(zones, ring, desk.by_rules(today)):
        desk = open_desk(zones, ring, site)
    waiting = [entry for entry in desk.waiting() if quarantined_bytes(zones, entry[1]).is_file()]
    delivery = _delivery(zones, ring, site, waiting)
    if not waiting or (zones.batch(site, delivery.batch_id) / "batch.json").is_file():
        return None
    rows = [{"batch": f.batch, "file_no": f.file_no, "by": by} for _, f, by in _ordered(waiting)]
    note = _notes(zones, site) / f"{delivery.batch_id}.json"
    write_bytes(note, canonical_json({"files": rows}), mode=0o600)
    return delivery


def read_taken_again(zones: Zones, site: SiteCode) -> TakenAgain:
    """Return which files committed batches took from the quarantine of a site."""
    taken: set[tuple[str, int]] = set()
    came_by: dict[tuple[str, int], str] = {}
    for path in sorted(_notes(zones, site).glob("*.json")):
        if not (zones.batch(site, BatchId(path.stem)) / "batch.json").is_file():
            continue
        for number, row in enumerate(json.loads(path.read_bytes())["files"], start=1):
            taken.add((row["batch"], row["file_no"]))
            came_by[path.stem, number] = row["by"]
    return TakenAgain(frozenset(taken), came_by)


def _planned(desk: Desk, ring: KeyRing, today: dt.date) -> Desk:
    """Return the desk as the rules for devices will leave it."""
    made = tuple(with_id(ring, decision) for decision in desk.by_rules(today))
    known = PixelDecisions((*desk.decisions.decisions, *made))
    return Desk(desk.site, desk.holds, known, desk.again, desk.linked)


def _notes(zones: Zones, site: SiteCode) -> Path:
    return zones.restricted / "taken_again" / site


def _linked(zones: Zones, ring: KeyRing, site: SiteCode) -> frozenset[str]:
    patient_ids = Vault(zones.vault, ring).assignments(site)
    return frozenset(ring.lookup_token("patient", site, number) for number in patient_ids)


def _ordered(waiting: Sequence[tuple[Hold, HeldFile, str]]) -> list[tuple[Hold, HeldFile, str]]:
    return sorted(waiting, key=lambda entry: (entry[1].batch, entry[1].file_no))


def _delivery(
    zones: Zones, ring: KeyRing, site: SiteCode, waiting: Sequence[tuple[Hold, HeldFile, str]]
) -> Delivery:
    """Return the files under neutral names: the names of the site stay where they are."""
    files = []
    plain = hashlib.sha256(b"taken again\n")
    for number, (_, file, by) in enumerate(_ordered(waiting), start=1):
        path = quarantined_bytes(zones, file)
        name = f"taken_again/{file.batch}/{file.file_no:07d}"
        plain.update(f"{file.sha256} {name} {by}\n".encode())
        size = path.stat().st_size
        sha256 = Sha256(file.sha256)
        files.append(DeliveredFile(number, name, str(path), size, sha256, FileKind.IMAGE))
    digest = ring.keyed_digest(plain.hexdigest(), Purpose.BATCH)
    return Delivery(
        site=site,
        batch_id=BatchId(digest[:_BATCH_DIGITS]),
        stat_digest=Sha256(plain.hexdigest()),
        manifest_sha256=digest,
        files=tuple(files),
        taken_again=True,
    )
