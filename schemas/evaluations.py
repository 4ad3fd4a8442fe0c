"""Where the evaluations of a release lie, and how each is told from the release it stands on."""

from __future__ import annotations

#: Folder below a release: no part of it, so its files stand in no list of the release.
EVALUATIONS = "evaluations"
#: What an evaluation is made of, in repeatable bytes; its `SHA256SUMS` adds the database.
EVALUATION_MANIFEST = "evaluation.json"
EVALUATION_DATABASE = "evaluation.duckdb"


def is_of_an_evaluation(path: str) -> bool:
    """Return whether a path inside a release is that of an evaluation."""
    return path == EVALUATIONS or path.startswith(f"{EVALUATIONS}/")
