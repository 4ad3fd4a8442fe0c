"""Modules that are loaded when something of them is first used."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType


class _Postponed(MetaPathFinder):
    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find one of the modules, to be loaded later; leave all others to the next finder."""
        spec = PathFinder.find_spec(name, path, target) if name in self._names else None
        if spec is None or spec.loader is None:
            return None
        spec.loader = LazyLoader(spec.loader)
        return spec


def load_when_used(*names: str) -> None:
    """Put off the loading of modules, whenever they are imported, until they are used.

    For what a library loads that it hardly ever uses, such as one for downloads.

    Parameters
    ----------
    *names : str
        As in `loaded_when_used`.
    """
    sys.meta_path.insert(0, _Postponed(names))


@contextmanager
def loaded_when_used(*names: str) -> Iterator[None]:
    """Put off the loading of modules that are imported in the block, until they are used.

    They are the modules themselves (`importlib.util.LazyLoader`), no stand-ins: whoever touches
    one has it loaded. Meant for large libraries whose import costs more than what is used of
    them; nothing that lives is collected meanwhile, because all that is loaded stays.

    Parameters
    ----------
    *names : str
        Full names; one that is loaded already stays as it is.
    """
    finder, was_on = _Postponed(names), gc.isenabled()
    sys.meta_path.insert(0, finder)
    gc.disable()
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if was_on:
            gc.enable()
