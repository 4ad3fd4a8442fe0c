"""Labelling as Prefect tasks: of one batch, and of the whole cohort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from schemas.handover.image_groups import ImageGroup, MakeRows
from schemas.handover.records import (
    CommittedImages,
    LabelledCohort,
    LabelledExams,
    MergedForms,
    SettledImages,
)
from schemas.label_parts import joined_labels
from schemas.records import CohortLabels, StatedExam
from schemas.run.settings import read_settings
from schemas.run.shown_runs import get_run_logger, task
from schemas.run.stage_errors import redacted_errors
from schemas.run_context import release_bench, run_context
from schemas.tables.warehouse import read_instances
from schemas.value_digest import value_digest
from tasks.harmonise.exam import label_instances
from tasks.harmonise.findings import label_findings
from tasks.harmonise.overrides import Key, Override
from tasks.harmonise.stated_exams import stated_exams
from tasks.harmonise.store_rules import (
    RulesInForce,
    read_overrides,
    read_study_overrides,
    use_rules,
)
from tasks.harmonise.study_overrides import StudyOverride


@task(name="harmonise", retries=0)
def label_batch(site: str, batch: str) -> dict[str, int]:
    """Label the exams that got new instances, together with what earlier nights brought."""
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("harmonise", context.zones):
        images = bench.take(SettledImages)
        arrived = [o.features for o in images.outcomes if o.features]
        studies = {f.study_uid for f in arrived if f.study_uid}
        earlier = read_instances(context.zones, context.site, column="study_uid", values=studies)
        known = {f.sop_uid for f in arrived} | set(images.held)
        instances = [*arrived, *(f for f in earlier if f.sop_uid not in known)]
        in_force = use_rules(context.zones)
        reviewed = read_study_overrides(context.zones)
        overrides = read_overrides(context.zones)
        labels = label_instances(instances, overrides, study_overrides=reviewed)
        bench.leave(LabelledExams(tuple(instances), labels))
    counts = dict(sorted(Counter(label.label_tier for label in labels.series).items()))
    if in_force.refused:
        get_run_logger().error("label rules refused: %s", in_force.refused)
    get_run_logger().info("batch %s: label tiers %s", batch, counts)
    return counts


@task(name="label-cohort", retries=0)
def label_cohort(make_rows: MakeRows) -> dict[str, int]:
    """Label all committed images, group by group, with the rules in force today.

    Parameters
    ----------
    make_rows : callable
        Has a group labelled, or knows its labels, and makes its rows; the flow hands that in.
    """
    settings = read_settings()
    bench = release_bench(settings)
    with redacted_errors("harmonise", settings.zones):
        in_force = use_rules(settings.zones)
        overrides = read_overrides(settings.zones)
        stated = stated_exams(bench.take(MergedForms).rows)
        reviewed = read_study_overrides(settings.zones)
        labels = joined_labels(
            _labels_of(group, make_rows, in_force, overrides, stated, reviewed)
            for group in bench.take(CommittedImages).groups
        )
        findings = label_findings(labels, overrides, in_force.kept_version)
        bench.leave(LabelledCohort(labels, tuple(findings), in_force.mapping_version))
    if in_force.refused:
        get_run_logger().error("label rules refused: %s", in_force.refused)
    return {
        "series": len(labels.series),
        "studies": len(labels.studies),
        "findings": len(findings),
    }


def _labels_of(
    group: ImageGroup,
    make_rows: MakeRows,
    in_force: RulesInForce,
    overrides: Mapping[Key, Override],
    stated: Sequence[StatedExam],
    reviewed: Mapping[str, StudyOverride],
) -> CohortLabels:
    """Return the labels of one group; what people stated of others is nothing to it."""
    own = {key: one for key, one in overrides.items() if key[0] in group.series}
    exams = [one for one in stated if one.subject_id in group.subjects]
    studies = {uid: one for uid, one in reviewed.items() if uid in group.studies}
    # Rules that the package lacks are no part of the context that kept labels are sealed for.
    told = ""
    if in_force.refused is None:
        said = [sorted(own.items()), exams, sorted(studies.items())]
        told = value_digest(in_force.mapping_version, said)
    return make_rows(
        group,
        told,
        partial(label_instances, overrides=own, stated=exams, study_overrides=studies),
    )
