"""What a task needs to know besides site and batch: settings, zones and the key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import BadInputError, EnvironmentProblemError
from schemas.identifiers import BatchId, SiteCode
from schemas.run.settings import Settings, read_settings
from schemas.run.sites import is_fictitious, site_code
from schemas.run.zones import Zones
from schemas.vault.anchors import read_anchors, require_own_vault
from schemas.vault.keys import KeyRing, read_key_file

if TYPE_CHECKING:
    from schemas.handover.release_bench import ReleaseBench
    from schemas.handover.workbench import Workbench


@dataclass(frozen=True)
class RunContext:
    """Settings of this process and the workbench of one batch."""

    settings: Settings
    bench: Workbench

    @property
    def zones(self) -> Zones:
        """Zones on disk."""
        return self.bench.zones

    @property
    def site(self) -> SiteCode:
        """The site whose batch this is."""
        return self.bench.site

    @property
    def name(self) -> str:
        """An opaque name for progress lines."""
        return f"{self.bench.site} {self.bench.batch}"

    def ring(self) -> KeyRing:
        """Read the key; the demo's key is refused for a registered site."""
        return require_key(self.settings, self.site)


def run_context(site: str, batch: str) -> RunContext:
    """Return the context of one batch, from the environment of this process."""
    # With the records of every stage, which a stage alone that asks for its key does without.
    from schemas.handover.workbench import Workbench

    settings = read_settings()
    bench = Workbench(settings.zones, site_code(site), BatchId(batch))
    return RunContext(settings, bench)


def require_key(settings: Settings, site: SiteCode) -> KeyRing:
    """Return the master key, after checking that it may be used for this site.

    Raises
    ------
    EnvironmentProblemError
        If there is none, it cannot be used, or this home was started with another.
    BadInputError
        If it is the demo's key and the site is a registered hospital.
    """
    ring = read_key_file(settings.master_key_file)
    if ring.is_demo and not is_fictitious(site):
        raise BadInputError(
            "the demo's key cannot protect a registered site",
            where=site,
            hint="Make a key of your own: livercohort key create --home NEW_HOME",
        )
    _require_key_of_home(settings.zones, ring)
    _require_key_of_vault(settings.zones, ring)
    return ring


def _require_key_of_home(zones: Zones, ring: KeyRing) -> None:
    """Refuse a key other than that of a committed batch: the vault may be new or restored."""
    record = next((zones.warehouse / "batches").glob("*/*/batch.json"), None)
    if record is None:
        return
    try:
        key_id = json.loads(record.read_bytes()).get("key_id")
    except (ValueError, AttributeError):
        return  # a record that cannot be read is told by whoever needs it
    if key_id not in (None, ring.key_id):
        raise EnvironmentProblemError(
            f"this home cannot be continued with this key ({ring.key_id})",
            expected=f"key {key_id}",
            hint="Use the key with which this home was started (`livercohort key show-id`).",
        )


def _require_key_of_vault(zones: Zones, ring: KeyRing) -> None:
    """Refuse a key that does not open this home's vault, and a vault that is not this home's."""
    anchors = read_anchors(zones, ring)
    if zones.vault_url is not None or zones.vault_file.exists():
        from schemas.vault.subjects import (
            Vault,  # here: it loads a library that new homes do not need
        )

        require_own_vault(anchors, Vault(zones.vault, ring).subject_tokens())
    else:
        require_own_vault(anchors, frozenset())


def release_bench(settings: Settings) -> ReleaseBench:
    """Return the scratch of the release being made; there is one at a time."""
    from schemas.handover.release_bench import ReleaseBench

    return ReleaseBench(settings.zones, SiteCode("release"), BatchId("current"))
