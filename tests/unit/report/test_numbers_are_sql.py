"""What the pages count is what DuckDB counts over the Parquet files, written without each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from tasks.report.model import ReportInput
from tests.unit.report.synthetic import make_report, render_site

REPORT = make_report(n_sites=3, subjects_per_site=6)
_VALUE = re.compile(r'data-value="(-?[\d.]+)"')


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    files = render_site(REPORT)
    return {name: data.decode() for name, data in files.items() if name.endswith(".html")}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables of the report as Parquet files, and nothing else."""
    folder = tmp_path_factory.mktemp("tables")
    with duckdb.connect() as connection:
        for name in _written(REPORT, folder):
            connection.execute(f"CREATE VIEW {name} AS FROM '{folder / name}.parquet'")
        yield connection


def _written(report: ReportInput, folder: Path) -> list[str]:
    for name, table in report.tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return sorted(report.tables)


def ask(database: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    return database.execute(sql).fetchall()


def lines(page: str, mark: str) -> list[str]:
    """Return the rows of the first table that has a mark."""
    begin = page.index(mark)
    return page[page.index("<tbody>", begin) : page.index("</tbody>", begin)].split("<tr")[1:]


def numbers(line: str) -> tuple[int, ...]:
    return tuple(round(float(value)) for value in _VALUE.findall(line))


def test_verdicts_by_criterion(pages: dict[str, str], database: duckdb.DuckDBPyConnection) -> None:
    shown: dict[str, tuple[int, ...]] = {}
    for found in re.finditer(
        r'<tr data-criterion="(\w\d)">(.*?)</tr>', pages["eligibility.html"], re.DOTALL
    ):
        shown.setdefault(found[1], numbers(found[2]))  # the first table is the reading in force
    counted = {
        str(criterion): tuple(rest)
        for criterion, *rest in ask(
            database,
            """SELECT criterion_id, count(*) FILTER (effect = 'pass'),
                      count(*) FILTER (effect = 'fail'), count(*) FILTER (effect = 'undetermined')
               FROM criterion_result WHERE reading = 'literal' GROUP BY criterion_id""",
        )
    }
    assert shown == counted
    assert len(shown) == 9


def test_verdicts_by_stratum_and_site(
    pages: dict[str, str], database: duckdb.DuckDBPyConnection
) -> None:
    shown = [numbers(line) for line in lines(pages["eligibility.html"], "data-strata")]
    counted = ask(
        database,
        """WITH known AS (
             SELECT site_code, coalesce(ascertainment, 'unknown') AS stratum, status
             FROM subject LEFT JOIN eligibility USING (subject_id)
             WHERE reading = 'literal' OR reading IS NULL),
           both_ways AS (
             FROM known UNION ALL SELECT 'all', stratum, status FROM known),
           cells AS (
             SELECT s.site_code, t.stratum FROM (SELECT DISTINCT site_code FROM both_ways) s,
               (VALUES ('prospective'), ('retrospective'), ('unknown')) t(stratum))
           SELECT count(status), count(*) FILTER (status = 'eligible'),
                  count(*) FILTER (status = 'undetermined'), count(*) FILTER (status = 'ineligible')
           FROM cells LEFT JOIN both_ways USING (site_code, stratum)
           GROUP BY site_code, stratum
           ORDER BY site_code <> 'all', site_code, stratum""",
    )
    assert shown == counted
    assert sum(row[0] for row in shown) == 2 * len(REPORT.tables["subject"])


def test_every_reading_by_stratum(
    pages: dict[str, str], database: duckdb.DuckDBPyConnection
) -> None:
    shown = {}
    for line in lines(pages["eligibility.html"], "data-reading-strata"):
        reading = re.search(r'class="code quiet">(\w+)<', line)
        stratum = re.search(r'data-stratum><span lang="en">([\w ]+)<', line)
        assert reading
        assert stratum
        shown[reading[1], stratum[1].replace("not recorded", "unknown")] = numbers(line)
    counted = {
        (reading, stratum): tuple(rest)
        for reading, stratum, *rest in ask(
            database,
            """SELECT reading, coalesce(ascertainment, 'unknown') AS stratum,
                      count(*) FILTER (status = 'eligible'),
                      count(*) FILTER (status = 'undetermined'),
                      count(*) FILTER (status = 'ineligible')
               FROM eligibility JOIN subject USING (subject_id) GROUP BY 1, 2""",
        )
    }
    assert {key: found for key, found in shown.items() if any(found)} == counted


def test_the_flow(pages: dict[str, str], database: duckdb.DuckDBPyConnection) -> None:
    shown: dict[str, int] = {}
    for found in re.finditer(r'data-node="(\w+)">(.*?)</tr>', pages["flow.html"], re.DOTALL):
        shown.setdefault(found[1], numbers(found[2])[0])
    counted = ask(
        database,
        "SELECT node_id, n FROM stard_flow WHERE reading = 'literal' AND site_code = 'all'",
    )
    assert shown == {str(node): n for node, n in counted}
    assert shown


def test_error_rates_of_source_data(pages: dict[str, str]) -> None:
    counts = REPORT.verification
    with duckdb.connect() as database:
        database.execute("CREATE TABLE counts (site VARCHAR, critical BOOL, n INT, d INT)")
        database.executemany(
            "INSERT INTO counts VALUES (?, ?, ?, ?)",
            [(one.site_code, one.critical, one.compared, one.differed) for one in counts],
        )
        counted = ask(
            database,
            "SELECT sum(n), sum(d) FROM counts WHERE critical GROUP BY site ORDER BY site",
        )
    shown = lines(pages["verification.html"], "data-verification")
    totals = [numbers(line)[:2] for line in shown if "all critical" in line]
    assert totals == counted
    own = lines(pages["sites/S02.html"], "data-verification")
    (of_class,) = (numbers(line)[:3] for line in own if "diagnosis.reference_class" in line)
    (stated,) = (one for one in counts if (one.site_code, one.field) == ("S02", "reference_class"))
    assert of_class == (stated.compared, stated.differed, stated.no_source)
