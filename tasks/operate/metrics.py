"""Numbers for a monitor, as OpenMetrics text. Pure; labels are site codes and fixed words.

https://prometheus.io/docs/specs/om/open_metrics_spec/, text format 1.0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from schemas.run.nights import NightRecord, NightState
from tasks.operate.facts import HomeFacts, SiteFacts

Sample = tuple[dict[str, str], float]


def night_metrics(record: NightRecord) -> str:
    """Return the numbers of one ended night."""
    site = {"site": record.site_code}
    return _document(
        [
            _gauge(
                "livercohort_night_state",
                "1 for the state in which the last night ended",
                [({**site, "state": s.value}, float(s is record.state)) for s in NightState],
            ),
            _gauge(
                "livercohort_night_seconds", "Length of the last night", [(site, record.seconds)]
            ),
            _gauge(
                "livercohort_night_files",
                "Files of the last night by state",
                [({**site, "state": s}, float(n)) for s, n in sorted(record.counts.items())],
            ),
            _gauge(
                "livercohort_night_batches",
                "Batches committed in the last night",
                [(site, float(len(record.batches)))],
            ),
        ]
    )


def home_metrics(home: HomeFacts) -> str:
    """Return the numbers of a home at the time of its digest."""
    by_site: dict[str, tuple[str, Callable[[SiteFacts], float]]] = {
        "exports_ready": ("Complete exports not taken in", lambda s: s.exports.ready),
        "exports_waiting": ("Exports not complete", lambda s: s.exports.waiting),
        "delivery_late_days": (
            "Days over the grace of a due delivery",
            lambda s: s.delivery.late_days if s.delivery else 0,
        ),
        "queries_open": ("Queries asked and not answered", lambda s: s.queries.open),
        "queries_unsent": ("Queries not put to the site", lambda s: s.queries.waiting_for_export),
        "batches_missing": (
            "Batches that the ledger knows and the warehouse does not show as committed",
            lambda s: len(s.missing_batches) + len(s.changed_batches),
        ),
    }
    families = [
        _gauge(
            f"livercohort_{name}",
            words,
            [({"site": s.site_code}, float(value(s))) for s in home.sites],
        )
        for name, (words, value) in by_site.items()
    ]
    families += [
        _gauge("livercohort_disk_free_gib", "Free disk of the home", [({}, home.free_gib)]),
        _gauge("livercohort_disk_wanted_gib", "Below it somebody is told", [({}, home.wanted_gib)]),
        _gauge(
            "livercohort_key_usable", "1 if nights can run", [({}, float(not home.key_problem))]
        ),
    ]
    return _document(families)


def _gauge(name: str, words: str, samples: Iterable[Sample]) -> str:
    lines = [f"# TYPE {name} gauge", f"# HELP {name} {words}"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{text}"' for key, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value:g}" if inside else f"{name} {value:g}")
    return "\n".join(lines)


def _document(families: Iterable[str]) -> str:
    return "\n".join([*families, "# EOF"]) + "\n"
