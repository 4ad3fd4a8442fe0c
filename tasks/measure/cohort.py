"""The tables of a release put together for measuring, and what comes of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from schemas.consent import RELEASED_CONSENT
from schemas.finding_texts import make_finding
from schemas.measurements import Acquisition, Measurement
from schemas.records import Finding
from schemas.tables.record_tables import record_schema, records_from_table
from tasks.measure.catalogue import FOLDER, Catalogue
from tasks.measure.phase_order import Judgement, Opinion
from tasks.measure.release import PULSE, MeasuredSeries, metric_rows, opinions
from tasks.measure.variants import AcquiredSeries, variant_rows

Row = dict[str, object]
Key = tuple[str, str]
#: Evidence on the label of a pass; it neither names nor raises a label (no real data yet).
_EVIDENCE = {Opinion.AGREES: "PIXELS-AGREE order=aorta,portal,liver",
             Opinion.DISAGREES: "PIXELS-CONTRADICT order=aorta,portal,liver"}  # fmt: skip


@dataclass(frozen=True)
class Measures:
    """Rows of `image_metric` and `protocol_variant`, evidence by series, and findings."""

    metrics: list[Row]
    variants: list[Row]
    evidence: Mapping[Key, str]
    findings: tuple[Finding, ...]


def measures_of(
    tables: Mapping[str, pa.Table],
    measurements: pa.Table | None,
    acquisitions: pa.Table | None,
    catalogue: Catalogue,
    kept_out: Iterable[str] = (),
) -> Measures:
    """Return what is published of the measurements, for the subjects of the release alone.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        `subject`, `imaging_study`, `series` and `nifti_volume` of the release.
    measurements, acquisitions : pyarrow.Table or None
        Of all batches, in their order: of the same volume the newest counts.
    catalogue : Catalogue
        Metrics, parameters, phases.
    kept_out : iterable of str
        Subjects that stay out whatever their consent says.
    """
    released = _released(tables["subject"], set(kept_out))
    studies = {r["study_uid"]: r for r in _rows(tables["imaging_study"], released)}
    series = {_key(r): r for r in _rows(tables["series"], released) if r["study_uid"] in studies}
    values = _newest_measurements(measurements)
    acquired = _newest_acquisitions(acquisitions)
    cohort = [
        MeasuredSeries(
            volume=volume,
            series=series[_key(volume)],
            study=studies[volume["study_uid"]],
            values=values.get(_key(volume), {}),
            pulse=_pulse(acquired.get(_key(volume), {})),
        )
        for volume in _rows(tables["nifti_volume"], released)
        if _key(volume) in series and volume["study_uid"] in studies
    ]
    said = opinions(cohort, catalogue)
    metrics = metric_rows(cohort, catalogue)
    variants = variant_rows(
        [
            AcquiredSeries(row, studies[row["study_uid"]], acquired.get(key, {}))
            for key, row in series.items()
        ],
        catalogue.parameters,
        _batch_numbers(acquisitions),
    )
    evidence = {
        one.key: _EVIDENCE[judgement.opinion]
        for judgement, passes in said.values()
        for one in passes
    }
    return Measures(metrics, variants, evidence, tuple(_findings(metrics, variants, said)))


def with_evidence(series: pa.Table, evidence: Mapping[Key, str]) -> pa.Table:
    """Return the `series` table with the second opinion among the evidence of each label."""
    if not evidence:
        return series
    keys = zip(
        series["series_uid"].to_pylist(), series["sub_stack_digest"].to_pylist(), strict=True
    )
    told = [
        sorted({*said, evidence[key]}) if key in evidence else said
        for key, said in zip(keys, series["label_evidence"].to_pylist(), strict=True)
    ]
    place = series.schema.get_field_index("label_evidence")
    field = series.schema.field(place)
    return series.set_column(place, field, pa.array(told, type=field.type))


def _released(subject: pa.Table, kept_out: set[str]) -> pa.Array:
    consented = pc.is_in(subject["consent_status"], value_set=pa.array(RELEASED_CONSENT))
    names = subject.filter(consented)["subject_id"].to_pylist()
    return pa.array(sorted(set(names) - kept_out), pa.string())


def _rows(table: pa.Table, released: pa.Array) -> list[Row]:
    rows: list[Row] = table.filter(pc.is_in(table["subject_id"], value_set=released)).to_pylist()
    return rows


def _key(row: Mapping[str, object]) -> Key:
    return str(row["series_uid"]), str(row["sub_stack_digest"])


def _newest_measurements(table: pa.Table | None) -> dict[Key, dict[str, Measurement]]:
    found: dict[Key, dict[str, Measurement]] = {}
    for one in records_from_table(table, Measurement) if table is not None else ():
        found.setdefault((one.series_uid, one.sub_stack_digest), {})[one.metric] = one
    return found


def _newest_acquisitions(table: pa.Table | None) -> dict[Key, Row]:
    if table is None:
        return {}
    rows = table.select(record_schema(Acquisition).names).to_pylist()
    return {_key(row): row for row in rows}


def _pulse(acquired: Mapping[str, object]) -> tuple[float | None, ...]:
    values = (acquired.get(name) for name in PULSE)
    return tuple(None if value is None else float(str(value)) for value in values)


def _batch_numbers(table: pa.Table | None) -> dict[str, int]:
    """Return the place of each batch among those of its site, from 1."""
    numbers: dict[str, int] = {}
    seen: dict[str, int] = {}
    if table is None:
        return numbers
    of = zip(table["batch_id"].to_pylist(), table["site_code"].to_pylist(), strict=True)
    for batch, site in dict.fromkeys(of):
        seen[site] = seen.get(site, 0) + 1
        numbers[batch] = seen[site]
    return numbers


def _findings(
    metrics: Sequence[Row],
    variants: Sequence[Row],
    said: Mapping[str, tuple[Judgement, list[MeasuredSeries]]],
) -> Iterable[Finding]:
    strange: dict[tuple[str, Key], list[str]] = {}
    for row in metrics:
        if row["is_outlier"]:
            strange.setdefault((_site(row), _key(row)), []).append(str(row["metric"]))
    for (site, key), names in sorted(strange.items()):
        yield _of_series("MEASURE_METRIC_OUTLIER", site, key, "label", " ".join(sorted(names)))
    for row in variants:
        if row["is_outlier"]:
            told = " ".join(map(str, _list(row["differs_in"])))
            yield _of_series("MEASURE_PROTOCOL_OUTLIER", _site(row), _key(row), "label", told)
    for study, (judgement, passes) in sorted(said.items()):
        if judgement.opinion is Opinion.DISAGREES:
            yield make_finding(
                FOLDER,
                "MEASURE_PHASE_CONTRADICTED",
                _site(passes[0].volume),
                object_type="imaging_study",
                object_id=study,
                observed=", ".join(judgement.contradicted),
            )


def _of_series(rule: str, site: str, key: Key, column: str, observed: str) -> Finding:
    return make_finding(
        FOLDER, rule, site,
        object_type="series", object_id="/".join(key), column=column, observed=observed,
    )  # fmt: skip


def _site(row: Mapping[str, object]) -> str:
    return str(row["subject_id"]).partition("-")[0]


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
