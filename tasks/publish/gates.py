"""What may be released at all. Closed by default. Pure."""

from __future__ import annotations

from schemas.errors import GateBlockedError
from schemas.identifiers import SiteCode
from schemas.run.sites import is_fictitious
from tasks.publish.batches import CommittedBatches


def require_releasable(committed: CommittedBatches) -> list[SiteCode]:
    """Return the sites of the batches, after checking that their data may be released.

    Raises
    ------
    GateBlockedError
        If nothing is committed, or data of a registered hospital is among it: pixels are not
        yet inspected for burned-in text, so no real person's images may leave.
    """
    sites = sorted({batch.site_code for batch in committed.batches})
    if not sites:
        raise GateBlockedError(
            "no batch is committed yet", hint="Take in an export first: livercohort ingest SITE"
        )
    registered = [site for site in sites if not is_fictitious(site)]
    if registered:
        raise GateBlockedError(
            f"data of registered hospitals cannot be released yet: {', '.join(registered)}",
            expected="fictitious sites S91 to S99 only",
            hint="Pixels are not yet inspected for burned-in text; that part is planned.",
        )
    return sites
