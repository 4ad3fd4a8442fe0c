"""The documents inside a release: README, changelog, examples. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from string import Template

from schemas.decisions import parse_decisions
from tasks.publish.facts import ReleaseFacts

#: File inside a release → template beside this module; the examples run as they are.
EXAMPLES = {
    "examples/queries.sql": "queries.sql",
    "examples/read_cohort.py": "read_cohort.py.txt",
    "examples/read_cohort.R": "read_cohort.R",
    "examples/cohort.ipynb": "cohort.ipynb",
}


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
        unsigned=unsigned,
        rows=listed,
    )
    return text.encode()


def count_unsigned(decisions_csv: bytes) -> int:
    """Return how many decisions of the register nobody has signed."""
    return sum(not decision.signed for decision in parse_decisions(decisions_csv))


def changelog(version: str, lines: Iterable[str], previous: str) -> bytes:
    """Return CHANGELOG.md: this release computed from the tables, then the older entries."""
    head = "# Changelog of the cohort\n\nComputed from the tables; nobody writes it by hand.\n"
    entry = f"\n## {version}\n\n" + "".join(f"- {line}\n" for line in lines)
    older = previous.removeprefix(head)
    return (head + entry + older).encode()


def _template(name: str) -> str:
    return files("tasks.publish").joinpath("templates", name).read_text(encoding="utf-8")
