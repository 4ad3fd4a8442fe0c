"""What may be released at all. Closed by default. Pure."""

from __future__ import annotations

from schemas.errors import GateBlockedError
from schemas.identifiers import SiteCode
from tasks.publish.batches import CommittedCohort
from tasks.publish.inspected import RulesInForce, require_inspected


def require_releasable(committed: CommittedCohort, rules: RulesInForce) -> list[SiteCode]:
    """Return the sites of the batches, after checking that their data may be released.

    Raises
    ------
    GateBlockedError
        If nothing is committed, or a series of a registered hospital was not inspected for
        text and faces by the rules in force.
    """
    sites = sorted({batch.site_code for batch in committed.batches})
    if not sites:
        raise GateBlockedError(
            "no batch is committed yet", hint="Take in an export first: livercohort ingest SITE"
        )
    require_inspected(committed, rules)
    return sites
