"""One digest over everything that a value says, for what is kept by what it was made from. Pure.

Closed by default: a kind of value that nobody wrote down here is refused, and every field of a
record counts, also those that `repr` and `==` leave out (a real date, a shift).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any

_Write = Callable[[str], None]


def value_digest(*values: object) -> str:
    """Return the SHA-256 of values: text, numbers, days, enumerations, and what is made of them.

    Two calls give the same digest only where kinds, order and contents are the same: 1, 1.0,
    "1" and True are four values, and what stands in one text never reads as two.

    Raises
    ------
    TypeError
        If something in them is of another kind.
    """
    parts: list[str] = []
    _tell(values, parts.append)
    return hashlib.sha256("".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _tell(value: object, write: _Write) -> None:
    plain = _PLAIN.get(type(value))
    if plain is not None:
        write(plain(value))
        return
    name, inner = _inside(value)
    write(f"{name} {len(inner)}(")
    for one in inner:
        _tell(one, write)


def _inside(value: object) -> tuple[str, Sequence[object]]:
    """Return how a value of several parts is named, and the parts in their order."""
    kind: Any = type(value)
    named = f"{kind.__module__}.{kind.__qualname__}"
    if kind in (tuple, list):
        return kind.__name__, value  # type: ignore[return-value]  # one of the two
    if isinstance(value, Mapping):
        return "mapping", [part for pair in value.items() for part in pair]
    if isinstance(value, StrEnum):
        return named, [value.value]
    if is_dataclass(value):
        return named, [getattr(value, name) for name in _names_of(kind)]
    raise TypeError(f"no digest is told of a {named}")


#: By the very kind: an enumeration is a text as well, and True a number.
_PLAIN: dict[type, Callable[[Any], str]] = {
    str: lambda text: f"s{len(text)}:{text}",
    int: lambda number: f"i{number};",
    float: lambda number: f"f{number!r};",
    bool: lambda truth: f"b{truth};",
    type(None): lambda _: "n;",
    dt.date: lambda day: f"d{day};",
}


@cache
def _names_of(kind: type) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind))
