"""What the scheduler is told, made from the site files: one truth for when a night runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.rule_documents import read_document
from schemas.run.site_files import Schedule, SiteConfig
from schemas.run.sites import read_sites

WORK_POOL = "livercohort"
PREFECT_VERSION = "3.8.8"
#: Entrypoint and words of what runs over all sites, by its name in `sites/cohort.yaml`.
_OVER_ALL = {
    "release": (
        "flows/release_cohort.py:release_cohort",
        "A cohort release from all committed batches, after the nights",
        "{ bump: auto }",
    ),
    "digest": (
        "flows/morning.py:morning_digest",
        "The morning digest: what came, what is late, what needs a person",
        "{}",
    ),
    "watchdog": (
        "flows/watchdog.py:watchdog",
        "Frees the slots of runs that will never end",
        "{}",
    ),
}
_HEAD = """\
# Made from data_contracts/sites/ by `livercohort deploy --print`; `livercohort deploy` puts it on
# the server. One deployment per site that may deliver and has a schedule, and one for what runs
# over all sites. Flows take site codes only: parameters are stored in plain text by the scheduler,
# so neither a path nor a name may ever be one. docs/operations.md says how a server is set up.
name: livercohort
prefect-version: {version}

definitions:
  work_pools:
    nightly: &nightly
      name: {pool}
      work_queue_name: nightly
  # A night that still runs when the next one is due makes the next one wait. The site's own lease
  # is what protects the data; this only keeps the run list short.
  concurrency: &one_at_a_time
    limit: 1
    collision_strategy: ENQUEUE

deployments:
"""
_DEPLOYMENT = """\
  - name: {name}
    entrypoint: {entrypoint}
    description: {description}
    tags: [{tags}]
    parameters: {parameters}
    schedules:
      - {{ slug: {slug}, cron: "{cron}", timezone: {timezone} }}
    concurrency_limit: *one_at_a_time
    work_pool: *nightly
"""


def prefect_yaml() -> str:
    """Return the text of `prefect.yaml` for the site files as they are."""
    sites = [site for site in read_sites() if site.schedule is not None]
    # Load sites are of one test: they never stand in a file that is kept.
    return render([site for site in sites if site.code.startswith("S")], read_cohort_schedules())


def read_cohort_schedules() -> dict[str, Schedule]:
    """Return when the work over all sites is done.

    Raises
    ------
    ContractError
        If an entry is missing or cannot be used.
    """
    return parse_cohort_schedules(data_contracts_dir() / "sites" / "cohort.yaml")


def parse_cohort_schedules(path: Path) -> dict[str, Schedule]:
    """Return the schedules of a file of the same layout."""
    document = read_document(path)
    facts: Any = document.value
    try:
        found = {
            name: Schedule(cron=entry["cron"], timezone=entry["timezone"])
            for name, entry in facts.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        found = {}
    if set(found) != set(_OVER_ALL):
        raise ContractError(
            "the schedules of release, digest and watchdog cannot be used",
            expected="cron and timezone of each",
            where=document.where(),
        )
    return found


def render(sites: Sequence[SiteConfig], over_all: dict[str, Schedule]) -> str:
    """Return `prefect.yaml` for these sites."""
    parts = [_site(site, site.schedule) for site in sites if site.schedule is not None]
    for name, (entrypoint, description, parameters) in _OVER_ALL.items():
        parts.append(
            _DEPLOYMENT.format(
                name=name,
                entrypoint=entrypoint,
                description=yaml.safe_dump(description, width=200).splitlines()[0],
                tags=name,
                parameters=parameters,
                slug=f"{name}-of-the-cohort",
                cron=over_all[name].cron,
                timezone=over_all[name].timezone,
            )
        )
    return _HEAD.format(version=PREFECT_VERSION, pool=WORK_POOL) + "\n".join(parts)


def _site(site: SiteConfig, schedule: Schedule) -> str:
    kind = " (fictitious, comes with the simulator)" if site.fictitious else ""
    return _DEPLOYMENT.format(
        name=site.code,
        entrypoint="flows/ingest_site.py:ingest_site",
        description=f"One night at site {site.code}{kind}",
        tags="site, fictitious" if site.fictitious else "site",
        parameters=f"{{ site: {site.code} }}",
        slug=f"nightly-{site.code}",
        cron=schedule.cron,
        timezone=schedule.timezone,
    )


def project_root() -> Path:
    """Return the folder from which the entrypoints of deployments are found."""
    return Path(__file__).resolve().parent.parent
