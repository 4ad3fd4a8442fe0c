"""Copies of records with some fields changed, for records that are made for every file.

`dataclasses.replace` runs the whole constructor, which takes three times as long for a record of
seventy fields. Where nobody need ever see the copy as a record, `Altered` tells it by what changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, Generic, TypeVar

_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True, eq=False)
class Altered(Generic[_Record]):
    """A record, told by one that many share and the fields in which it is another.

    Two are equal where the records they tell are.
    """

    known: _Record
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def record(self) -> _Record:
        """The record; made anew each time."""
        known: Any = self.known
        return replace(known, **self.values) if self.values else self.known

    def value(self, name: str) -> Any:
        """Return one field of the record."""
        return self.values[name] if name in self.values else getattr(self.known, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Altered) and bool(self.record == other.record)

    __hash__ = None  # type: ignore[assignment]  # as of any record that holds mappings


class Copies(Generic[_Record]):
    """Makes copies of one kind of record.

    Parameters
    ----------
    kind : type
        A dataclass with slots, of two fields or more and no `__post_init__`.

    Raises
    ------
    TypeError
        If it is another class: its constructor may do more than set fields.
    """

    def __init__(self, kind: type[_Record]) -> None:
        names = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]  # told below
        if hasattr(kind, "__post_init__") or not hasattr(kind, "__slots__") or len(names) < 2:
            raise TypeError(f"{kind.__name__} is no plain dataclass with slots")
        self._kind = kind
        self._values = attrgetter(*names)
        self._setters = {name: getattr(kind, name).__set__ for name in names}
        self._in_order = tuple(self._setters.values())

    def changed(self, known: _Record, values: Mapping[str, Any]) -> _Record:
        """Return a copy of a record with other values in some fields; KeyError for no field."""
        copy = object.__new__(self._kind)
        for set_value, value in zip(self._in_order, self._values(known), strict=True):
            set_value(copy, value)
        for name, value in values.items():
            self._setters[name](copy, value)
        return copy
