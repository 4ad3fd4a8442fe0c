"""One view of `cohort.duckdb` and one column of it, with their words. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """One view: `columns` are (name, expression, comment) in order, `source` follows FROM."""

    name: str
    comment: str
    columns: tuple[tuple[str, str, str], ...]
    source: str

    def statements(self) -> list[str]:
        """Return CREATE VIEW and COMMENT statements."""
        listed = ",\n  ".join(f'{expression} AS "{name}"' for name, expression, _ in self.columns)
        create = f"CREATE VIEW {self.name} AS SELECT\n  {listed}\nFROM {self.source}"
        words = [f"COMMENT ON VIEW {self.name} IS {_literal(self.comment)}"]
        words += [
            f'COMMENT ON COLUMN {self.name}."{name}" IS {_literal(comment)}'
            for name, _, comment in self.columns
        ]
        return [create, *words]


@dataclass(frozen=True)
class ViewColumn:
    """One column of a view of the database, and the words for both."""

    view: str
    view_comment: str
    position: int
    name: str
    duckdb_type: str
    comment: str


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
