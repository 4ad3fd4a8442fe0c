"""Whatever a person types is searched before it is kept, by every command that takes text."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from flows.free_text import require_clean_texts, require_clean_waivers
from schemas.errors import BadInputError
from schemas.run.settings import read_settings
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing
from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search.store_identifiers import IDENTIFIERS_NAME, write_identifiers
from tasks.validate.store import waivers_file
from tasks.validate.waivers import COLUMNS
from tests.flows.conftest import run
from tests.flows.exports import KEY

WHO = "S91-AAAA2222"
NAME = "张伟明"
#: A phone, a name that a batch brought, a labelled name that nobody did.
TYPED = ["asked 13912345678 about it", f"{NAME} withdrew consent", "姓名：李 wrote a letter"]


@pytest.fixture
def known(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which one batch brought one person."""
    monkeypatch.setenv("LIVERCOHORT_HOME", str(home))
    monkeypatch.delenv("LIVERCOHORT_KEY_FILE", raising=False)
    folder = Zones(home).restricted / "batches" / "S91" / "0123456789abcdef"
    folder.mkdir(parents=True)
    person = SubjectIdentifiers(WHO, 700, frozenset([Identifier(IdentifierKind.NAME, NAME)]))
    write_identifiers(folder / IDENTIFIERS_NAME, KeyRing(KEY), [person])
    return home


#: Every command with an option for free text, the text left out at its end.
COMMANDS = [
    ("withdraw", WHO, "--reason"),
    ("withdraw", WHO, "--reason", "letter 7", "--scope", "erase", "--document"),
    ("reidentify", WHO, "--reason"),
    ("reidentify", WHO, "--reason", "letter 7 of the clinic", "--by"),
    ("decisions", "sign", "D05", "--option", "1", "--by", "PI-01", "--document"),
    ("decisions", "sign", "D05", "--option", "1", "--document", "minutes 7", "--by"),
    ("words", "accept", "1", "--by", "DM01", "--reason"),
    ("queries", "export", "S91", "--by"),
]


@pytest.mark.parametrize(("number", "command"), enumerate(COMMANDS))
def test_a_command_refuses_a_text_that_says_who_somebody_is(
    number: int, command: tuple[str, ...], known: Path
) -> None:
    typed = TYPED[number % len(TYPED)]
    extra = ("--by", "DM01", "--approved-by", "DM02") if "erase" in command else ()
    ended = run(*command, typed, *extra, "--home", known)
    assert ended.code == 2, ended.out + ended.err
    assert "identifies somebody" in ended.err
    assert command[-1] in ended.err
    assert not any(part in ended.err for part in ("13912345678", NAME, "姓名"))
    kept = b"".join(path.read_bytes() for path in known.rglob("*") if path.is_file())
    assert typed.encode() not in kept


def test_a_waiver_that_says_who_somebody_is_stops_the_release(known: Path) -> None:
    settings = read_settings()
    for typed in (*TYPED, "the site has confirmed it by letter"):
        row = dict.fromkeys(COLUMNS, "") | {
            "rule_id": "IMG-THICKNESS",
            "object_type": "series",
            "object_id": "2.25.1",
            "author": "DM01",
            "reason": typed,
            "granted_on": "2026-11-20",
            "expires_on": "2027-01-20",
            "closes_as": "wont_fix",
        }
        row["rule_id"] = known_rule()
        path = waivers_file(settings.zones)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerow(row)
        if typed in TYPED:
            with pytest.raises(BadInputError, match=r"waivers\.csv") as caught:
                require_clean_waivers(settings)
            assert typed not in caught.value.message
        else:
            require_clean_waivers(settings)


def known_rule() -> str:
    from tasks.validate.store import known_rules

    return min(r for r in known_rules() if not r.startswith(("RUN-", "CON-")))


def test_the_number_of_a_document_may_be_long_and_a_reason_may_not_hold_one(known: Path) -> None:
    settings = read_settings()
    require_clean_texts(settings, {}, {"--document": "REQ-2026112900017"})
    with pytest.raises(BadInputError, match="seven or more digits"):
        require_clean_texts(settings, {"--reason": "REQ-2026112900017"})
