"""A quarantine made by hand: files of one committed batch, set aside as a night sets them aside."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydicom.dataset import Dataset

from schemas.dicom.pixel_digests import pixel_content
from schemas.held_series import LISTING_NAME, MINIMUM, HeldSeries, SeenBox, listing_bytes
from schemas.identifiers import BatchId, Sha256, SiteCode
from schemas.pixel_decisions import Box
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, write_bytes
from schemas.run.zones import Zones
from schemas.states import REASONS, ReasonCode
from schemas.vault.keys import KeyRing
from schemas.vault.pixel_digests import hold_id, keyed_pixel_digest
from tests.builders import make_series, to_bytes

SITE, BATCH = SiteCode("S91"), BatchId("00112233445566aa")
RING = KeyRing(bytes(range(32)))
#: Where `lettered` draws.
TEXT = Box(x=6, y=4, width=40, height=10)


@dataclass
class Quarantine:
    """What will be set aside, in the order of file numbers."""

    zones: Zones
    batch: BatchId = BATCH
    rows: list[tuple[bytes, ReasonCode, str]] = field(default_factory=list)
    listed: list[HeldSeries] = field(default_factory=list)

    def add(self, data: bytes, reason: ReasonCode, detail: str = "") -> None:
        """Set one file aside."""
        self.rows.append((data, reason, detail))

    def add_series(
        self,
        slices: Sequence[Dataset],
        reason: ReasonCode = ReasonCode.TEXT_IN_PIXELS,
        boxes: Sequence[Box] = (TEXT,),
        *,
        of_person: bool = False,
    ) -> str:
        """Set a series aside as the inspection does; return the id of the hold."""
        files = [to_bytes(one) for one in slices]
        for data in files:
            self.add(data, reason)
        digests = [keyed_pixel_digest(RING, pixel_content(one.pixel_array)) for one in slices]
        held = HeldSeries(
            hold_id=hold_id(RING, digests),
            reason=reason,
            files=tuple(sorted(sha256_of_bytes(data) for data in files)),
            boxes=tuple(SeenBox(MINIMUM, box, 0.97, of_person) for box in boxes),
        )
        self.listed.append(held)
        return held.hold_id

    def write(self) -> None:
        """Write the folder of the quarantine and the batch that it is of."""
        folder = self.zones.quarantine(SITE, self.batch)
        text = StringIO()
        listing = csv.writer(text, lineterminator="\n")
        listing.writerow(["file_no", "relative_path", "sha256", "reason", "meaning", "detail"])
        for number, (data, reason, detail) in enumerate(self.rows, start=1):
            sha256 = sha256_of_bytes(data)
            write_bytes(folder / sha256, data, mode=0o600)
            name = f"dicom/secret name {number}.dcm"
            listing.writerow([number, name, sha256, reason, REASONS[reason], detail])
        write_bytes(folder / "reasons.csv", text.getvalue().encode(), mode=0o600)
        write_bytes(folder / LISTING_NAME, listing_bytes(self.listed), mode=0o600)
        commit(self.zones, self.batch, len(self.rows))


def commit(zones: Zones, batch: BatchId, n_files: int) -> None:
    """Make a batch count, with as many files."""
    place = zones.batch(SITE, batch)
    place.mkdir(parents=True)
    subjects = ["S91-ABCD2345"] * n_files
    table = pa.table({"file_no": range(1, n_files + 1), "subject_id": subjects})
    pq.write_table(table, place / "file.parquet")
    (place / "batch.json").write_bytes(canonical_json({"batch_id": batch, "state": "committed"}))


def zones_at(folder: Path) -> Zones:
    """Return fresh zones."""
    zones = Zones(folder / "home")
    zones.create()
    return zones


def lettered(
    *, n_slices: int = 6, side: int = 128, series: int = 1, **shared: object
) -> list[Dataset]:
    """Return a series with something like a line of text in the corner of every slice."""
    slices = make_series(n_slices=n_slices, series=series, DeviceSerialNumber="D7", **shared)  # type: ignore[arg-type]
    ramp = np.hypot(*np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side)))
    for number, one in enumerate(slices):
        body = np.clip(1400 - 1300 * ramp + 25 * number, 0, None)
        noise = np.random.default_rng(number + 1000 * series).normal(0, 30, body.shape)
        pixels = np.clip(body + noise, 0, 3000).astype(np.uint16)
        columns = range(TEXT.x, TEXT.x + TEXT.width, 5)
        for column in columns:
            pixels[TEXT.y : TEXT.y + TEXT.height, column : column + 3] = 2600
        one.Rows = one.Columns = side
        one.PixelData = pixels.tobytes()
    return slices


def file_digest(data: bytes) -> Sha256:
    """Return under what a file without pixels is decided about."""
    return RING.keyed_digest(sha256_of_bytes(data))
