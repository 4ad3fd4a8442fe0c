"""What the intake makes of forms: typed rows of persons, with real dates (restricted)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.clinical_rows import Cell
from schemas.identifiers import Sha256, SubjectNo
from schemas.records import FileOutcome, Finding

SCREENING_PERSON = "screening/"
SCREENING_LOG = "screening_log"
#: Stands before the number of a row in its file where the row has no running number of its own.
UNNUMBERED = "?"


@dataclass(frozen=True)
class FormRow:
    """One readable row of a form (restricted).

    `person` is the study subject number, or `screening/` and the screening number of a
    person who was never enrolled.
    """

    row_no: int
    person: SubjectNo = field(repr=False)
    key: tuple[str, ...] = field(repr=False)
    values: Mapping[str, Cell] = field(repr=False)

    @property
    def enrolled(self) -> bool:
        """Whether the row belongs to an enrolled subject."""
        return not self.person.startswith(SCREENING_PERSON)

    @property
    def numbered(self) -> bool:
        """Whether the row can be told from other rows of its person, and in other exports."""
        return not (len(self.key) > 1 and self.key[1].startswith(UNNUMBERED))


@dataclass(frozen=True)
class FormRows:
    """What was read of one delivered form (restricted).

    An incremental export has only what changed: rows and subjects that it lacks are not
    missing, and a field that a row of it lacks stays as an earlier export had it.

    `erased` are the screening numbers of erased persons: of a screening log they alone stay,
    so that nobody is asked for what is missing.
    """

    form: str
    file_no: int
    source_sha256: Sha256
    export_as_of: dt.date
    encoding: str
    rows: tuple[FormRow, ...] = field(repr=False)
    incremental: bool = False
    findings: tuple[Finding, ...] = ()
    erased: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class ClinicalIntake:
    """All forms of one export: rows, what became of each file, and findings (restricted).

    `refusals` are findings about files of which nothing was read, each with the form that the
    file name stands for, or "" when it stands for none.
    """

    forms: tuple[FormRows, ...] = field(repr=False)
    outcomes: tuple[FileOutcome, ...] = ()
    refusals: tuple[tuple[str, Finding], ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that reading found."""
        read = [finding for form in self.forms for finding in form.findings]
        return (*[finding for _, finding in self.refusals], *read)
