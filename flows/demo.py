"""Simulate → ingest → release, twice: what a new data manager sees first.

The second night brings follow-up exams and a late form, so the second release shows what a
change looks like. The demo's key follows from its seed and is refused for registered sites.
"""

from __future__ import annotations

from typing import Any

from flows.ingest_site import run_night
from flows.release_cohort import release_cohort
from schemas.errors import BadInputError
from schemas.run.log_redaction import RUN_LOGGERS, redact_handlers
from schemas.run.progress import announce
from schemas.run.settings import Settings, read_settings
from schemas.run.shown_runs import create_markdown_artifact, flow
from schemas.vault.keys import create_demo_key_file
from tasks.simulate.store import simulate

SITES = 3
NIGHTS = 2


def prepare_demo(settings: Settings, seed: int) -> None:
    """Make the demo's key in an empty home.

    Raises
    ------
    BadInputError
        If the home holds anything already: the demo never mixes with other data.
    """
    zones = settings.zones
    used = [zone for zone in (zones.inbox, zones.warehouse, zones.releases) if any(zone.iterdir())]
    if used or settings.master_key_file.exists():
        raise BadInputError(
            "the home is not empty",
            where=str(zones.home),
            expected="a new folder",
            hint="Give the demo a home of its own: livercohort demo --home NEW_FOLDER",
        )
    create_demo_key_file(settings.master_key_file, seed)


@flow(name="demo", flow_run_name="demo", retries=0)
def demo(subjects: int = 3, seed: int = 1) -> dict[str, Any]:
    """Run two nights at three fictitious sites and publish two releases.

    Parameters
    ----------
    subjects : int
        Subjects per site.
    seed : int
        Decides every number and pixel.
    """
    redact_handlers(*RUN_LOGGERS)
    zones = read_settings().zones
    releases: list[dict[str, Any]] = []
    nights: list[dict[str, Any]] = []
    for night in range(1, NIGHTS + 1):
        announce(f"night {night}: sites deliver")
        summary = simulate(
            zones.inbox,
            sites=SITES,
            subjects=subjects,
            nights=NIGHTS,
            seed=seed,
            only_nights=(night,),
        )
        for site in sorted({path.parent.name for path in summary.exports}):
            announce(f"night {night}: {site} is taken in")
            nights.append(run_night(site))
        announce(f"night {night}: the cohort is released")
        releases.append(release_cohort())
    report = zones.reports / str(releases[-1]["report"]) / "index.html"
    create_markdown_artifact(
        key="demo", markdown=f"{len(releases)} releases. [Report]({report.as_uri()})"
    )
    return {"nights": nights, "releases": releases}
