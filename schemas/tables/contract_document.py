"""The part of the Open Data Contract Standard v3.1 that our contracts use, as typed models.

Anything else in a file is refused: a word we would ignore is a promise nobody keeps.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_LOGICAL = {
    "VARCHAR": "string",
    "DOUBLE": "number",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "VARCHAR[]": "array",
    "DOUBLE[]": "array",
}
_REFERENCE = re.compile(r"([a-z_]+)\.([a-z_0-9]+)")

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Text = Annotated[str, Field(min_length=1)]
PhysicalType = Literal[
    "VARCHAR", "DOUBLE", "INTEGER", "BIGINT", "BOOLEAN", "DATE", "VARCHAR[]", "DOUBLE[]"
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)


class CustomProperty(_Model):
    """A property the standard has no word for: the Chinese words, units and code lists."""

    property: Literal["descriptionZh", "granularityZh", "unit", "codeList"]
    value: Text


class Quality(_Model):
    """The allowed values of a column, in the standard's library metric."""

    type: Literal["library"]
    metric: Literal["invalidValues"]
    arguments: dict[Literal["validValues"], tuple[Text, ...]]
    must_be: Literal[0] = Field(alias="mustBe")


class Relationship(_Model):
    """A reference from one column, or from several columns of a key, to another table."""

    type: Literal["foreignKey"]
    from_: str | tuple[str, ...] | None = Field(default=None, alias="from")
    to: str | tuple[str, ...]


class Items(_Model):
    """The elements of a list column."""

    logical_type: Literal["string", "number"] = Field(alias="logicalType")
    physical_type: Literal["VARCHAR", "DOUBLE"] = Field(alias="physicalType")


class _Described(_Model):
    name: Name
    description: Text
    custom_properties: tuple[CustomProperty, ...] = Field(alias="customProperties")

    def custom(self, name: str) -> str:
        """Return the custom property called `name`, or an empty string."""
        return next((p.value for p in self.custom_properties if p.property == name), "")

    @model_validator(mode="after")
    def _speaks_chinese(self) -> Self:
        if not self.custom("descriptionZh"):
            raise ValueError(f"{self.name} has no descriptionZh")
        return self


class Property(_Described):
    """One column."""

    logical_type: str = Field(alias="logicalType")
    physical_type: PhysicalType = Field(alias="physicalType")
    required: bool
    primary_key: bool = Field(default=False, alias="primaryKey")
    primary_key_position: int = Field(default=-1, alias="primaryKeyPosition")
    partitioned: bool = False
    partition_key_position: int = Field(default=-1, alias="partitionKeyPosition")
    items: Items | None = None
    relationships: tuple[Relationship, ...] = ()
    quality: tuple[Quality, ...] = ()

    @property
    def valid_values(self) -> tuple[str, ...] | None:
        """The codes the column may hold; None when it is not coded."""
        return self.quality[0].arguments["validValues"] if self.quality else None

    @property
    def reference(self) -> tuple[str, str] | None:
        """Table and column referred to."""
        if not self.relationships:
            return None
        found = _REFERENCE.fullmatch(str(self.relationships[0].to))
        return (found[1], found[2]) if found else None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if _LOGICAL[self.physical_type] != self.logical_type:
            raise ValueError(f"{self.name}: {self.physical_type} is not {self.logical_type}")
        if self.physical_type.endswith("[]") != (self.items is not None):
            raise ValueError(f"{self.name}: a list, and only a list, has items")
        if self.items and f"{self.items.physical_type}[]" != self.physical_type:
            raise ValueError(f"{self.name}: its items are of another type")
        if self.primary_key and not (self.required and self.primary_key_position > 0):
            raise ValueError(f"{self.name}: a key column is required and has a position")
        if self.relationships and self.reference is None:
            raise ValueError(f"{self.name}: a reference reads table.column")
        if len(self.quality) > 1 or len(self.relationships) > 1:
            raise ValueError(f"{self.name}: at most one list of values and one reference")
        return self


class TableObject(_Described):
    """The table a contract is about."""

    physical_type: Literal["table"] = Field(alias="physicalType")
    logical_type: Literal["object"] = Field(alias="logicalType")
    grain: Text = Field(alias="dataGranularityDescription")
    relationships: tuple[Relationship, ...] = ()
    properties: tuple[Property, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [item.name for item in self.properties]
        if len(names) != len(set(names)):
            raise ValueError("two columns have one name")
        positions = sorted(p.primary_key_position for p in self.properties if p.primary_key)
        if not positions or positions != list(range(1, len(positions) + 1)):
            raise ValueError("the positions of the primary key are not 1, 2, ...")
        if sum(item.partitioned for item in self.properties) > 1:
            raise ValueError("a table is split by one column at most")
        if not self.custom("granularityZh"):
            raise ValueError("the table has no granularityZh")
        return self


class Words(_Model):
    """Why the table exists, how to use it, and what it cannot tell."""

    purpose: Text
    usage: Text
    limitations: Text


class Document(_Model):
    """One contract file."""

    api_version: Literal["v3.1.0"] = Field(alias="apiVersion")
    kind: Literal["DataContract"]
    id: Text
    name: Name
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    status: Literal["proposed", "draft", "active", "deprecated", "retired"]
    domain: Text
    description: Words
    tables: tuple[TableObject, ...] = Field(alias="schema", min_length=1, max_length=1)

    @property
    def table(self) -> TableObject:
        """The one table of the contract."""
        return self.tables[0]
