"""What a site delivers, as data: the forms, their fields, codes and conventions."""

from __future__ import annotations

import re
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from schemas.errors import ContractError
from schemas.finding_texts import Bilingual
from schemas.package_data import data_contracts_dir
from schemas.rule_documents import read_document
from schemas.rule_tables import TableError, attempt, table_name
from tasks.clinical.text import fold

FieldType = Literal[
    "subject_no",
    "screening_no",
    "identifier",
    "code",
    "date",
    "integer",
    "decimal",
    "token",
    "text",
]
FORM_NAMES = (
    "demographics",
    "screening_log",
    "pathology",
    "follow_up",
    "treatment",
    "diagnosis",
    "image_quality",
    "adjudication",
)
_M = TypeVar("_M", bound=BaseModel)
_NOT_FORMS = ("conventions", "linkage", "findings")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Worded(_Model):
    zh: str
    en: str
    aliases: tuple[str, ...]

    @property
    def both(self) -> str:
        """The words in both languages, as the templates have them."""
        return f"{self.zh} {self.en}"


class Header(_Worded):
    """How a column may be headed."""

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every heading that is accepted."""
        return (self.zh, self.en, self.both, *self.aliases)


class CodeEntry(_Worded):
    """One code of a field, its EDC number, and its labels."""

    code: str
    number: int

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that stands for this code."""
        return (self.code, self.zh, self.en, self.both, *self.aliases)


class FieldContract(_Model):
    """One column of a form.

    `sealed` fields stay in the sealed file; so does every `text` and `identifier`.
    """

    name: str
    type: FieldType
    required: bool
    header: Header
    description: Bilingual
    unit: str | None = None
    other_units: dict[str, float] = {}
    min: float | None = None
    max: float | None = None
    pattern: str | None = None
    sealed: bool = False
    codes: tuple[CodeEntry, ...] = ()

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            re.compile(pattern)
        return pattern

    @model_validator(mode="after")
    def _fits_its_type(self) -> FieldContract:
        if (self.type == "code") != bool(self.codes):
            raise ValueError("codes belong to fields of type code, and these need them")
        if (self.type == "token") != bool(self.pattern):
            raise ValueError("a pattern belongs to fields of type token, and these need one")
        labels = [text for entry in self.codes for text in {fold(label) for label in entry.labels}]
        if len(labels) != len(set(labels)):
            raise ValueError("one label stands for two codes")
        return self

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every heading that stands for this field; its own name is one."""
        return (self.name, *self.header.spellings)

    @cached_property
    def codes_by_label(self) -> dict[str, str]:
        """Codes by folded label and by EDC number."""
        labels = {fold(label): entry.code for entry in self.codes for label in entry.labels}
        return {str(entry.number): entry.code for entry in self.codes} | labels

    @property
    def stays_sealed(self) -> bool:
        """Whether the values never leave the restricted zone."""
        return self.sealed or self.type in ("text", "identifier", "subject_no", "screening_no")


class FormContract(_Model):
    """One form: its file names, its grain, its key and its fields.

    `order` names pairs of dates of which the first is never later than the second.
    """

    form: str
    version: str
    title: Bilingual
    file_names: tuple[str, ...]
    restricted: bool = False
    grain: str
    key: tuple[str, ...]
    order: tuple[tuple[str, str], ...] = ()
    fields: tuple[FieldContract, ...]

    @model_validator(mode="after")
    def _hangs_together(self) -> FormContract:
        names = [field.name for field in self.fields]
        named = {*self.key, *(name for pair in self.order for name in pair)}
        if len(names) != len(set(names)) or not named <= set(names):
            raise ValueError("a field stands twice, or the key names no field")
        headings = [
            heading
            for field in self.fields
            for heading in {fold(spelling) for spelling in field.spellings}
        ]
        if len(headings) != len(set(headings)):
            raise ValueError("one heading stands for two fields")
        return self

    def field(self, name: str) -> FieldContract:
        """Return one field by its name."""
        return next(field for field in self.fields if field.name == name)


class MissingCode(_Model):
    """One way to say that a value is not there."""

    code: str
    meaning: str
    zh: str
    aliases: tuple[str, ...]


class ExportAsOf(_Model):
    """Where the date of an export stands."""

    header: Header
    first_line: str
    file_name_suffix: str


class ExportKind(_Model):
    """Where it stands whether an export repeats everything, and in which words."""

    header: Header
    first_line: str
    full: tuple[str, ...]
    incremental: tuple[str, ...]


class Limits(_Model):
    """How large a form may be."""

    file_bytes: int
    unpacked_bytes: int
    rows: int
    columns: int
    cells: int
    reason: str


class Odm(_Model):
    """What is read as ODM-XML."""

    suffixes: tuple[str, ...]
    version: str
    timezone: str


class IdentifierColumn(_Model):
    """Headings that betray a direct identifier."""

    field: str
    headers: tuple[str, ...]


class IdentifierValue(_Model):
    """A kind of value that is a direct identifier wherever it stands."""

    kind: str
    rule: str


class DirectIdentifiers(_Model):
    """What may stand in linkage.csv alone."""

    columns: tuple[IdentifierColumn, ...]
    values: tuple[IdentifierValue, ...]
    reason: str


class Conventions(_Model):
    """What holds for every form."""

    conventions: str
    version: str
    delimiters: dict[str, str]
    workbooks: tuple[str, ...]
    odm: Odm
    sheets_beside: tuple[str, ...]
    limits: Limits
    export_as_of: ExportAsOf
    export_kind: ExportKind
    missing_codes: tuple[MissingCode, ...]
    date_formats: tuple[str, ...]
    direct_identifiers: DirectIdentifiers


@cache
def read_form_contracts() -> dict[str, FormContract]:
    """Return the forms by name, in the order in which they are read.

    Raises
    ------
    ContractError
        If a file cannot be used, or is not one of the known forms; the message names file
        and place.
    """
    return parse_form_contracts(_folder())


def parse_form_contracts(folder: Path) -> dict[str, FormContract]:
    """Read the forms of a folder of the same layout; see `read_form_contracts`."""
    found = {path.stem for path in folder.glob("*.yaml") if path.stem not in _NOT_FORMS}
    if found != set(FORM_NAMES):
        strange = ", ".join(sorted(found ^ set(FORM_NAMES)))
        raise ContractError(f"forms missing or unknown: {strange}", where="site_delivery")
    problems: list[ContractError] = []
    read = {
        name: attempt(partial(read_form_contract, folder / f"{name}.yaml"), problems)
        for name in FORM_NAMES
    }
    if problems:
        raise TableError.of(problems)
    return {name: contract for name, contract in read.items() if contract is not None}


def read_form_contract(path: Path) -> FormContract:
    """Read one form contract and refuse it by file and place when it cannot be used."""
    contract = read_document(path).validated(FormContract)
    if contract.form != path.stem:
        raise ContractError("form and file name disagree", where=table_name(path))
    return contract


@cache
def read_linkage_contract() -> FormContract:
    """Return the columns of linkage.csv, which is no form."""
    return read_form_contract(_folder() / "linkage.yaml")


@cache
def read_conventions() -> Conventions:
    """Return what holds for every form."""
    return parse_conventions(_folder() / "conventions.yaml")


def parse_conventions(path: Path) -> Conventions:
    """Read what holds for every form from a file of the same layout."""
    return read_document(path).validated(Conventions)


def _folder() -> Path:
    return data_contracts_dir() / "site_delivery"
