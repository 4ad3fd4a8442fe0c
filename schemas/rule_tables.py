"""What a CSV file that a person wrote must be, and how one that is not is refused."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import BadInputError

CSV_EXPECTED = f"closed quotation marks, and cells of at most {csv.field_size_limit()} characters"


@contextmanager
def refusing_bad_csv(where: str, error: type[BadInputError] = BadInputError) -> Iterator[None]:
    """Turn what the CSV reader raises into a refusal that names the file.

    Raises
    ------
    BadInputError
        Or the kind of it that was asked for.
    """
    try:
        yield
    except csv.Error:
        raise error("the file is no CSV table", expected=CSV_EXPECTED, where=where) from None
