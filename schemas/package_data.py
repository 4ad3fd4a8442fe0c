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


_label_tables: Path | None = None


def label_tables_root() -> Path:
    """Return the folder whose `sequence_labels` and `deidentification` tables labels come from.

    The package's own, or an earlier version while `use_label_tables` says so.
    """
    return _label_tables or data_contracts_dir()


def reads_kept_tables() -> bool:
    """Return whether labels come from tables kept of a version, and not from the package's own."""
    return _label_tables is not None


def use_label_tables(root: Path | None) -> None:
    """Read the label tables from another folder of the same layout; None: the package's own.

    What was read before stays cached where it was read; `tasks.harmonise.store_rules` forgets it.
    """
    global _label_tables  # one process has one version of the rules in force
    _label_tables = root
