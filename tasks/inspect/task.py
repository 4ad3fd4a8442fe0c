"""Inspection as a Prefect task: the series of one batch, workers inside, counts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from schemas.handover.records import SettledImages
from schemas.handover.workbench import Workbench
from schemas.pixel_decisions import DecidedPixels
from schemas.run.attempts import require_no_worker_lost
from schemas.run.pool import Loss
from schemas.run.progress import stage_progress
from schemas.run.shown_runs import get_run_logger, task
from schemas.run.stage_errors import redacted_errors
from schemas.run_context import RunContext, run_context
from schemas.set_aside import set_aside
from schemas.vault.keys import Purpose
from tasks.inspect.conclude import Conclusion, conclude
from tasks.inspect.plan import Series, job_of, series_of
from tasks.inspect.records import Looked
from tasks.inspect.rules import load_rules
from tasks.inspect.store import known_pixels, look_at, remove
from tasks.inspect.store_look_again import KeptWords, look_again
from tasks.inspect.store_models import read_models
from tasks.inspect.words import telling

#: Gives each person's own words, as they may stand in a picture (restricted).
WordsOf = Callable[[Workbench], Mapping[str, frozenset[str]]]


@task(name="inspect", retries=0)
def inspect_batch(site: str, batch: str, words_of: WordsOf) -> dict[str, int]:
    """Look into the pixels of all that was let in; hold what shows text or a face.

    Parameters
    ----------
    site, batch : str
        Codes.
    words_of : callable
        Gives the words of each person, by pseudonym; they stay in the memory of workers.
    """
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("inspect", context.zones):
        images = bench.take(SettledImages)
        members = [o.features for o in images.outcomes if o.features is not None]
        series = series_of(members)
        looked = _look(context, series, words_of)
        found = _concluded(context, series, looked)
        for one in series:
            if one.series_uid in found.reason_of_series:
                remove(bench.dicom, one.series_uid, one.uids)
        bench.leave(
            replace(
                images,
                outcomes=set_aside(images.outcomes, found.reason_of_instance),
                held={**images.held, **found.held_before},
            )
        )
        bench.leave(found.inspected)
    counts = dict(sorted(Counter(str(row.outcome) for row in found.inspected.rows).items()))
    get_run_logger().info("batch %s: %s", batch, counts)
    return counts


@task(name="inspect-again", retries=0)
def inspect_again(site: str, words_of: KeptWords) -> dict[str, int]:
    """Look at every committed series of a site that the rules in force have not seen."""
    counts = look_again(site, words_of)
    if counts["series"]:
        get_run_logger().info("%s: series inspected anew: %s", site, counts)
    return counts


def _look(context: RunContext, series: list[Series], words_of: WordsOf) -> list[Looked | None]:
    """Return what was seen of each series; None where nobody could look."""
    if not series:
        return []
    bench, rules = context.bench, load_rules()
    models = read_models(rules)
    words = {person: telling(found) for person, found in words_of(bench).items()}
    mac = partial(context.ring().mac, Purpose.SAMPLE, "inspect")
    jobs = [
        job_of(
            one,
            lambda member: bench.dicom / f"{member.series_uid}/{member.sop_uid}.dcm",
            lambda uid: int.from_bytes(mac(uid)[:4], "big"),
            words.get(one.subject_id, frozenset()),
        )
        for one in series
    ]
    found = look_at(
        jobs,
        rules,
        models,
        workers=context.settings.workers,
        progress=stage_progress("inspect", context.name),
    )
    lost = sum(one in (Loss.DIED, Loss.TIMEOUT) for one in found)
    require_no_worker_lost(context.zones, context.site, bench.batch, "inspect", lost)
    return [None if isinstance(one, Loss) else one for one in found]


def _concluded(
    context: RunContext, series: list[Series], looked: list[Looked | None]
) -> Conclusion:
    ring, bench = context.ring(), context.bench
    return conclude(
        series,
        looked,
        load_rules(),
        ring=ring,
        settled=bench.take(DecidedPixels).settled,
        name_of={
            str(o.sop_uid): o.source_sha256
            for o in reversed(bench.take(SettledImages).outcomes)
            if o.sop_uid is not None
        },
        known=partial(known_pixels, context.zones),
    )
