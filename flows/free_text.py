"""What people type into commands and files: searched before it is kept, whatever it is for."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.run.settings import Settings
from tasks.deidentify.search.store_scan_release import require_nobody_in
from tasks.validate.store import read_waivers, waivers_file


def require_clean_texts(
    settings: Settings, texts: Mapping[str, str], references: Mapping[str, str] | None = None
) -> None:
    """Refuse texts that say who a person is; `references` may hold long numbers of documents.

    Parameters
    ----------
    settings : Settings
        Where the sealed identifiers are.
    texts, references : mapping of str to str
        What a text is called in the message → the text.

    Raises
    ------
    BadInputError
        Names which text and the kind of what was found, never the text.
    """
    require_nobody_in(settings, "\n".join(texts.values()), where=" or ".join(texts))
    numbers = references or {}
    require_nobody_in(
        settings, "\n".join(numbers.values()), where=" or ".join(numbers), is_reference=True
    )


def require_clean_waivers(settings: Settings) -> None:
    """Refuse a file of waivers, which people write by hand, that says who a person is."""
    told = "\n".join(f"{one.author}\n{one.reason}" for one in read_waivers(settings.zones))
    require_clean_texts(settings, {waivers_file(settings.zones).name: told})
