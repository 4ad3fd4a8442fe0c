"""Commands about words of headers that hold somebody: which are open, and who decided them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.commands.console import (
    CsvOption,
    HomeOption,
    JsonOption,
    OutOption,
    give_rows,
    say,
    say_json,
)
from schemas.run.settings import apply_environment

words_app = typer.Typer(
    no_args_is_help=True, help="Words of sources that hold subjects until somebody decides."
)
_COLUMNS = ("number", "site", "batch", "kind", "subject_id", "file", "decidable")


@words_app.command("list")
def list_words(
    home: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """List what holds subjects: site, batch, kind and file; the words stay in restricted/.

    The words themselves stand under the same subject, kind and file in restricted/held_words.csv,
    or in the held_words.csv of the batch.

    Example: livercohort words list
    """
    from tasks.deidentify.search.store_accepted_words import is_decidable
    from tasks.deidentify.search.store_held_words import undecided_words

    zones = apply_environment(home=home).zones
    rows: list[dict[str, Any]] = [
        {
            "number": number,
            "site": word.site,
            "batch": word.batch,
            "kind": word.kind,
            "subject_id": word.subject_id,
            "file": word.file,
            "decidable": is_decidable(word.identifier.kind),
        }
        for number, word in enumerate(undecided_words(zones), start=1)
    ]
    give_rows(rows, as_json=as_json, as_csv=as_csv, out=out, title="Held words", columns=_COLUMNS)


@words_app.command("accept")
def accept_word(
    number: Annotated[int, typer.Argument(help="Its number in `words list`.")],
    by: Annotated[str, typer.Option(help="Short code of the person who decided.")],
    reason: Annotated[str, typer.Option(help="Why the word names nobody; stays in restricted/.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide that a word names nobody at its site: from now on it is not searched for there.

    Names and numbers of patients cannot be decided. Subjects that the release held are in the
    next one; files that the night held lie in the quarantine of their batch, and come in when
    they are put into an export of their own.

    Example: livercohort words accept 1 --by DM01 --reason "login of the CT console, no person"
    """
    from flows.free_text import require_clean_texts
    from schemas.hospital_day import hospital_today
    from tasks.deidentify.search.store_accepted_words import Decision
    from tasks.deidentify.search.store_held_words import accept_word as accept

    settings = apply_environment(home=home)
    require_clean_texts(settings, {"--by": by, "--reason": reason})
    zones = settings.zones
    word = accept(zones, number, Decision(by, hospital_today().isoformat(), reason))
    told = {"site": word.site, "batch": word.batch, "kind": word.kind, "decided_by": by}
    if as_json:
        say_json(told)
    else:
        say(f"Decided by {by}: a {word.kind} of {word.site} (batch {word.batch}) names nobody.")
