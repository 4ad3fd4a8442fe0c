"""Where the tables that people sign lie, in a clone and in an installed wheel alike."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

# `files("data_contracts")` is a multiplexed path that can merge a clone with an installed
# wheel; the folder beside `schemas` is the one this code belongs to.
_ROOT = Path(str(files("schemas"))).parent


def data_contracts_dir() -> Path:
    """Return the folder of contracts, rules and registers."""
    return _ROOT / "data_contracts"


def expectations_dir() -> Path:
    """Return the folder of Great Expectations suites."""
    return _ROOT / "expectations"
