"""How messages name a file that a person gave: by its name only where the name is ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import LivercohortError

#: Names that our own exports give; any other is a site's and may name a person.
_OUR_NAME = re.compile(r"(queries|answers|verification)[A-Za-z0-9._-]{0,100}")


def file_name(path: Path) -> str:
    """Return how a message names a file given by a person."""
    return path.name if _OUR_NAME.fullmatch(path.name) else "the file given"


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Put the name of a file into every error about it."""
    try:
        yield
    except LivercohortError as error:
        name = file_name(path)
        where = f"{name}: {error.where}" if error.where else name
        raise type(error)(
            error.found, expected=error.expected, where=where, hint=error.hint
        ) from None
