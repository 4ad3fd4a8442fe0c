"""What computed something: every file of the package, the interpreter and the libraries."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from schemas.package_data import data_contracts_dir

#: Everything the package consists of: code, rules, contracts and words.
PACKAGE = ("data_contracts", "expectations", "flows", "livercohort", "schemas", "tasks")


@cache
def made_by() -> str:
    """Return the digest as this process first read it, as it reads code and rules once."""
    return read_made_by()


def read_made_by() -> str:
    """Return a digest that is another one as soon as any code, rule or library is."""
    digest = hashlib.sha256(f"{sys.version}\n".encode())
    libraries = {path.name for entry in sys.path for path in Path(entry).glob("*.dist-info")}
    digest.update("\n".join(sorted(libraries)).encode())
    for name, path in package_files():
        data = path.read_bytes()
        digest.update(f"\n{len(data)} {name}\n".encode())
        digest.update(data)
    return digest.hexdigest()


def package_files() -> Iterator[tuple[str, Path]]:
    """Yield every file of the package that counts, by its name in it, sorted."""
    root = data_contracts_dir().parent
    for part in PACKAGE:
        for path in sorted((root / part).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(root).as_posix(), path
