"""The documents inside a release: README, changelog, dictionary, examples. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from importlib.resources import files
from io import StringIO
from string import Template

from schemas.contracts import TableContract
from tasks.publish.facts import ReleaseFacts

#: File inside a release → template beside this module; the examples run as they are.
EXAMPLES = {
    "examples/queries.sql": "queries.sql",
    "examples/read_cohort.py": "read_cohort.py.txt",
}
_DICTIONARY_COLUMNS = (
    "table",
    "position",
    "column",
    "type",
    "unit",
    "nullable",
    "primary_key",
    "references",
    "allowed_values",
    "description_en",
    "description_zh",
    "contract_version",
)


def data_dictionary(contracts: Mapping[str, TableContract]) -> bytes:
    """Return the data dictionary as CSV (UTF-8 with BOM, so that Excel reads the Chinese)."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_DICTIONARY_COLUMNS)
    for table in contracts.values():
        for position, column in enumerate(table.columns, start=1):
            rows.writerow(
                [
                    table.name,
                    position,
                    column.name,
                    column.duckdb_type,
                    column.unit or "",
                    "yes" if column.nullable else "no",
                    "yes" if column.name in table.primary_key else "no",
                    ".".join(column.references) if column.references else "",
                    " ".join(column.allowed_values or ()),
                    column.description_en,
                    column.description_zh,
                    table.version,
                ]
            )
    return text.getvalue().encode("utf-8-sig")


def examples() -> dict[str, bytes]:
    """Return the example files by their path inside the release."""
    return {path: _template(name).encode() for path, name in EXAMPLES.items()}


def readme(version: str, facts: ReleaseFacts, rows: Mapping[str, int]) -> bytes:
    """Return README.md: what this is and how to read it, in English and Chinese."""
    listed = "\n".join(f"| {name} | {number} |" for name, number in sorted(rows.items()))
    unsigned = count_unsigned(facts.decisions_csv)
    text = Template(_template("readme.md")).substitute(
        version=version,
        protocol=facts.protocol_version,
        mapping=facts.mapping_version,
        software=facts.software_version,
        as_of=facts.as_of.isoformat() if facts.as_of else "-",
        unsigned=unsigned,
        rows=listed,
    )
    return text.encode()


def count_unsigned(decisions_csv: bytes) -> int:
    """Return how many decisions of the register nobody has signed."""
    rows = csv.DictReader(StringIO(decisions_csv.decode("utf-8-sig")))
    return sum(not (row.get("decided_by") or "").strip() for row in rows)


def changelog(version: str, facts: ReleaseFacts, lines: Iterable[str], previous: str) -> bytes:
    """Return CHANGELOG.md: this release computed from the tables, then the older entries."""
    when = f" (data as of {facts.as_of.isoformat()})" if facts.as_of else ""
    head = "# Changelog of the cohort\n\nComputed from the tables; nobody writes it by hand.\n"
    entry = f"\n## {version}{when}\n\n" + "".join(f"- {line}\n" for line in lines)
    older = previous.removeprefix(head)
    return (head + entry + older).encode()


def _template(name: str) -> str:
    return files("tasks.publish").joinpath("templates", name).read_text(encoding="utf-8")
