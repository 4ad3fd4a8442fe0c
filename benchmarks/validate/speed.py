"""Seconds and memory of the rules at full size: images by SQL, series by Great Expectations.

    python benchmarks/validate/speed.py images 9000000
    python benchmarks/validate/speed.py published 9000000
    python benchmarks/validate/speed.py series 60000

`images` are the headers as a batch checks them, `published` the table of a release.

The rows are made, with faults planted at known places, so a run that finds another number fails.
Images are read from Parquet as a stream. Each mode is a process of its own: peak memory is that
of the whole process, making the rows left out for images.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

PER_SERIES = 150
_FAULTY_EVERY = 1_000_000
_UID = "'2.25.' || (100000000000000000000000000000000000000::HUGEINT + {})::VARCHAR"


def main() -> None:
    """Print one line per rule and the totals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["images", "published", "series", "check"])
    parser.add_argument("rows", type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--what", default="images")
    options = parser.parse_args()
    if options.mode == "series":
        _check_series(options.rows)
    elif options.mode == "check":
        _check_images(options.folder, options.rows, options.what)
    else:
        with tempfile.TemporaryDirectory() as folder:
            make = _make_images if options.mode == "images" else _make_published
            make(Path(folder), options.rows)
            command = [sys.executable, __file__, "check", str(options.rows)]
            subprocess.run([*command, "--folder", folder, "--what", options.mode], check=True)


def _make_published(folder: Path, rows: int) -> None:
    series, subject = f"i // {PER_SERIES}", f"(i // {PER_SERIES * 24})"
    with duckdb.connect() as database:
        database.execute(
            f"""COPY (SELECT {_UID.format(series)} AS series_uid,
            lpad(({series})::VARCHAR, 16, '0') AS sub_stack_digest,
            (i % {PER_SERIES} + 1)::INTEGER AS slice_no,
            'S91-' || lpad({subject}::VARCHAR, 8, CASE WHEN i % {_FAULTY_EVERY} = 7 THEN 'B'
            ELSE 'A' END) AS subject_id, {_UID.format("i")} AS sop_uid,
            NULL::INTEGER AS frame_number
            FROM range({rows}) AS t(i)) TO '{folder / "images.parquet"}'"""
        )
        database.execute(
            f"""COPY (SELECT {_UID.format("i")} AS series_uid,
            lpad(i::VARCHAR, 16, '0') AS sub_stack_digest,
            'S91-' || lpad((i // 24)::VARCHAR, 8, 'A') AS subject_id,
            least({PER_SERIES}, {rows} - i * {PER_SERIES})::INTEGER AS n_instances
            FROM range({-(-rows // PER_SERIES)}) AS t(i)) TO '{folder / "series.parquet"}'"""
        )


def _make_images(folder: Path, rows: int) -> None:
    uid = _UID
    with duckdb.connect() as database:
        database.execute(
            f"""COPY (SELECT {uid.format("i")} AS sop_uid, NULL::BIGINT AS frame_number,
            {uid.format(f"i // {PER_SERIES}")} AS series_uid,
            {uid.format(f"i // {PER_SERIES * 12}")} AS study_uid,
            'S91-' || lpad((i // {PER_SERIES * 24})::VARCHAR, 8, 'A') AS subject_id,
            'MR' AS modality, 320::BIGINT AS "rows",
            CASE WHEN i % {_FAULTY_EVERY} = 7 THEN 8 ELSE 260 END::BIGINT AS "columns",
            [0.9, 0.9] AS pixel_spacing_mm
            FROM range({rows}) AS t(i)) TO '{folder / "images.parquet"}'"""
        )
        database.execute(
            f"""COPY (SELECT {uid.format("i")} AS series_uid
            FROM range({rows // PER_SERIES + 1}) AS t(i)) TO '{folder / "series.parquet"}'"""
        )


def _check_images(folder: Path, rows: int, what: str) -> None:
    from schemas.tables.contracts import read_table_contracts
    from tasks.validate.frames import INSTANCE_FEATURES, PUBLISHED_IMAGES, key_columns
    from tasks.validate.store import read_suites
    from tasks.validate.store_sql import run_sql_rules
    from tasks.validate.suites import Stage

    suites, contracts = read_suites(), read_table_contracts()
    name = INSTANCE_FEATURES if what == "images" else PUBLISHED_IMAGES
    rules = [(name, rule) for rule in suites[name].expectations]
    if what == "published":
        named = [r for r in suites["series"].at(Stage.RELEASE) if PUBLISHED_IMAGES in (r.sql or "")]
        rules += [("series", rule) for rule in named]
    tables = {one: ds.dataset(folder / f"{one}.parquet") for one in ("images", "series")}
    tables[name] = tables.pop("images")
    started, used = time.perf_counter(), _cpu()
    found = 0
    for table, rule in rules:
        began = time.perf_counter()
        keys = {table: key_columns(table, contracts)}
        (outcome,) = run_sql_rules({table: [rule]}, tables, keys)
        assert outcome.ran, rule.meta.rule_id
        found += len(outcome.failing)
        print(
            f"{rule.meta.rule_id:<16}{time.perf_counter() - began:7.2f} s{len(outcome.failing):6}"
        )
    _say(rows, what, len(rules), time.perf_counter() - started, _cpu() - used, found)
    assert found == -(-(rows - 7) // _FAULTY_EVERY), "another number of faults than planted"


def _check_series(rows: int) -> None:
    import pandas as pd

    from schemas.tables.contracts import read_table_contracts
    from tasks.validate.engine import import_great_expectations, run_rules
    from tasks.validate.frames import prepare_frames
    from tasks.validate.store import read_suites
    from tasks.validate.suites import Stage

    contracts = read_table_contracts()
    import_great_expectations()
    number = pd.Series(range(rows))
    study = "2.25." + (number // 12).astype(str)
    own = {
        "series_uid": "2.25." + number.astype(str),
        "sub_stack_digest": number.map("{:016x}".format),
        "study_uid": study,
        "subject_id": "S91-" + (number // 24).astype(str).str.rjust(8, "A"),
        "label": "MR_T1_ART",
        "label_tier": "A",
        "thickness_verdict": "met",
        "slice_thickness_mm": 3.0,
        "n_missing_slices": (number % 20_000 == 0).astype("int32"),
    }
    schema = contracts["series"].arrow_schema()
    frame = pd.DataFrame({n: own.get(n) for n in schema.names})
    frame = frame.drop(columns=[n for n in schema.names if pa.types.is_list(schema.field(n).type)])
    studies = pd.DataFrame({"study_uid": study.unique()})
    volumes = frame[["series_uid", "sub_stack_digest"]]
    tables = {
        name: pa.Table.from_pandas(one)
        for name, one in (("series", frame), ("nifti_volume", volumes))
    }
    rules = {
        "series": [rule for rule in read_suites()["series"].at(Stage.BATCH) if rule.sql is None]
    }
    frames = {"series": prepare_frames(tables)["series"], "imaging_study": studies}
    started, used = time.perf_counter(), _cpu()
    outcomes = run_rules(rules, frames, {"series": contracts["series"].primary_key})
    assert all(outcome.ran for outcome in outcomes)
    found = sum(len(outcome.failing) for outcome in outcomes)
    _say(rows, "series", len(outcomes), time.perf_counter() - started, _cpu() - used, found)
    assert found == -(-rows // 20_000), "another number of faults than planted"


def _cpu() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def _say(rows: int, what: str, rules: int, wall: float, cpu: float, found: int) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"{rows} {what}, {rules} rules: {wall:.1f} s wall, {cpu:.1f} s of CPU, "
        f"peak {peak:.2f} GB, {found} rows at fault found"
    )


if __name__ == "__main__":
    main()
