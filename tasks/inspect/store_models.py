"""The model files of the package: found, hashed and read, or a clear error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from schemas.errors import EnvironmentProblemError
from schemas.run.atomic_files import sha256_of_bytes
from tasks.inspect.rules import InspectionRules, Model


def read_models(rules: InspectionRules, folder: Path | None = None) -> Mapping[str, bytes]:
    """Return the bytes of each model by its part, after checking their hashes.

    Parameters
    ----------
    rules : InspectionRules
        Names and hashes.
    folder : Path, optional
        Where the packages lie; default: where Python finds them.

    Raises
    ------
    EnvironmentProblemError
        If a file is missing or has other bytes: nothing may be inspected with it.
    """
    return {part: _read(model, folder) for part, model in rules.models.items()}


def _read(model: Model, folder: Path | None) -> bytes:
    place = _package(model.package) if folder is None else folder / model.package
    try:
        if place is None:
            raise FileNotFoundError
        data = (place / model.file).read_bytes()
    except OSError:
        raise _broken(model, "cannot be read") from None
    if sha256_of_bytes(data) != model.sha256:
        raise _broken(model, "has other bytes than those that were measured")
    return data


@lru_cache
def _package(name: str) -> Path | None:
    # The package's own code asks for libraries of screens: only its files are used.
    found = find_spec(name)
    return Path(found.origin).parent if found is not None and found.origin else None


def _broken(model: Model, found: str) -> EnvironmentProblemError:
    return EnvironmentProblemError(
        f"the {model.part} model of the inspection {found}",
        expected=f"sha256 {model.sha256}",
        where=f"{model.package}/{model.file}",
        hint="Install the locked requirements again; no image is taken in before.",
    )
