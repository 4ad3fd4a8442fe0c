"""The allow-list: which attribute may stay, where, under which contract, and why.

Rows come from `data_contracts/deidentification/`: `profile.csv` (public attributes),
`private_attributes.csv` (private ones by creator), `blob_fields.csv` (what stays of vendors'
blocks) and `words.csv` (closed word lists).
What has no row is removed at every depth.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from tasks.deidentify.rules.blobs import BLOCKS, BlobField
from tasks.deidentify.rules.contract import Contract, WordList, parse_contract

ROOT = ""
#: A place without public rows: only private attributes stay there.
PRIVATE_ONLY = "PrivateOnly"
#: Editions of PS3.15 table E.1-1 that the tables are tested against: the actions of the basic
#: profile are of one, the columns of the options of older ones.
TABLE_EDITION = "DICOM PS3.15 2026c (options: 2024b, 2025b)"
_T = TypeVar("_T")
_PROFILE, _PRIVATE, _WORDS = "profile.csv", "private_attributes.csv", "words.csv"
_BLOBS = "blob_fields.csv"
_VM = re.compile(r"\d+(-(\d+|n))?")


class Action(StrEnum):
    """What happens to an attribute."""

    KEEP = "keep"
    WORDS = "words"
    DESCRIPTOR = "descriptor"
    UID = "uid"
    DATE = "date"
    TIME = "time"
    AGE = "age"
    EMPTY = "empty"
    PSEUDONYM = "pseudonym"
    FIXED = "fixed"
    SEQUENCE = "sequence"
    PIXELS = "pixels"
    PRIVATE = "private"
    REMOVE = "remove"


class Option(StrEnum):
    """The part of PS3.15 annex E a row belongs to."""

    BASIC = "basic"
    DATES = "dates"
    DESCRIPTORS = "descriptors"
    PATIENT = "patient"
    DEVICE = "device"
    PRIVATE = "private"


@dataclass(frozen=True)
class Rule:
    """One allowed public attribute."""

    tag: int
    keyword: str
    where: str
    action: Action
    vr: str
    vm: str
    contract: Contract
    option: Option
    reason: str
    source: str

    @property
    def items_place(self) -> str:
        """The place whose rows hold for the items of this sequence."""
        if self.contract.items_place is not None:
            return self.contract.items_place
        return "/".join(filter(None, (self.where, self.keyword)))


@dataclass(frozen=True)
class PrivateRule:
    """One allowed private attribute; `element` is its offset in the creator's block."""

    creator: str
    group: int
    element: int
    vr: str
    vm: str
    contract: Contract
    reason: str
    source: str


@dataclass(frozen=True)
class Profile:
    """All rules, by where they hold."""

    rules: Mapping[str, Mapping[int, Rule]]
    private: Mapping[tuple[str, int], Mapping[int, PrivateRule]]
    word_lists: Mapping[str, WordList] = field(repr=False)
    blobs: Mapping[str, Mapping[str, BlobField]] = field(default_factory=dict, repr=False)

    def all_rules(self) -> Iterator[Rule]:
        """Yield the public rules, root first, in tag order."""
        for where in sorted(self.rules):
            yield from (self.rules[where][tag] for tag in sorted(self.rules[where]))

    def all_private_rules(self) -> Iterator[PrivateRule]:
        """Yield the private rules by creator, group and element."""
        for creator, group in sorted(self.private):
            block = self.private[creator, group]
            yield from (block[element] for element in sorted(block))

    def all_blob_fields(self) -> Iterator[BlobField]:
        """Yield what may stay of vendors' blocks, by block, in the order of the table."""
        for block in sorted(self.blobs):
            yield from self.blobs[block].values()


@lru_cache(maxsize=1)
def profile_sha256() -> str:
    """Return the hash of the tables in force, in the order of their names."""
    folder = data_contracts_dir() / "deidentification"
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".csv", ".txt"):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def load_profile() -> Profile:
    """Return the profile in force."""
    return read_profile(data_contracts_dir() / "deidentification")


def read_profile(folder: Path) -> Profile:
    """Read the tables of a profile.

    Raises
    ------
    ContractError
        If a row cannot be used; it names file, line and reason.
    """
    lists = _read_words(folder / _WORDS)
    rules: dict[str, dict[int, Rule]] = {}
    for line, row in _rows(folder / _PROFILE):
        rule = _at(_PROFILE, line, partial(_rule, row, lists))
        place = rules.setdefault(rule.where, {})
        if rule.tag in place:
            raise _refused(_PROFILE, line, "the attribute has a rule at this place already")
        place[rule.tag] = rule
    private: dict[tuple[str, int], dict[int, PrivateRule]] = {}
    for line, row in _rows(folder / _PRIVATE):
        one = _at(_PRIVATE, line, partial(_private_rule, row, lists))
        block = private.setdefault((one.creator, one.group), {})
        if one.element in block:
            raise _refused(_PRIVATE, line, "the element has a rule already")
        block[one.element] = one
    blobs = _read_blobs(folder / _BLOBS, lists)
    _require_places(rules, private, blobs)
    return Profile(rules, private, lists, blobs)


def _rule(row: Mapping[str, str], lists: Mapping[str, WordList]) -> Rule:
    tag = int(row["tag"].replace(",", ""), 16)
    if keyword_for_tag(tag) != row["keyword"]:
        raise ValueError("tag and keyword name different attributes")
    action = Action(row["action"])
    if action in (Action.PRIVATE, Action.REMOVE):
        raise ValueError("this action is what happens without a rule")
    return Rule(
        tag=tag,
        keyword=row["keyword"],
        where=row["where"],
        action=action,
        vr=row["vr"],
        vm=_vm(row["vm"]),
        contract=_contract(action, row["contract"], lists),
        option=Option(row["option"]),
        reason=_stated(row, "reason"),
        source=_stated(row, "source"),
    )


def _contract(action: Action, text: str, lists: Mapping[str, WordList]) -> Contract:
    if action in (Action.KEEP, Action.WORDS, Action.FIXED) and not text:
        raise ValueError("a kept attribute needs a contract on its value")
    return parse_contract(text, lists)


def _private_rule(row: Mapping[str, str], lists: Mapping[str, WordList]) -> PrivateRule:
    group, element = int(row["group"], 16), int(row["element"], 16)
    if group % 2 == 0 or not 0 <= element <= 0xFF:
        raise ValueError("a private element has an odd group and an offset of two hex digits")
    if not row["contract"]:
        raise ValueError("a kept attribute needs a contract on its value")
    return PrivateRule(
        creator=_stated(row, "creator"),
        group=group,
        element=element,
        vr=row["vr"],
        vm=_vm(row["vm"]),
        contract=parse_contract(row["contract"], lists),
        reason=_stated(row, "reason"),
        source=_stated(row, "source"),
    )


def _vm(text: str) -> str:
    if _VM.fullmatch(text) is None:
        raise ValueError("vm is not a value multiplicity")
    return text


def _stated(row: Mapping[str, str], column: str) -> str:
    if not row[column].strip():
        raise ValueError(f"{column} is empty")
    return row[column].strip()


def _read_words(path: Path) -> dict[str, WordList]:
    literal: dict[str, set[str]] = {}
    patterns: dict[str, list[re.Pattern[str]]] = {}
    for line, row in _rows(path):
        name = _at(_WORDS, line, partial(_stated, row, "list"))
        _at(_WORDS, line, partial(_stated, row, "reason"))
        if row["kind"] == "words":
            literal.setdefault(name, set()).update(row["value"].split("|"))
        elif row["kind"] == "pattern":
            compiled = _at(_WORDS, line, partial(re.compile, row["value"]))
            patterns.setdefault(name, []).append(compiled)
        else:
            raise _refused(_WORDS, line, "kind is neither words nor pattern")
    names = sorted({*literal, *patterns})
    return {
        n: WordList(n, frozenset(literal.get(n, ())), tuple(patterns.get(n, ()))) for n in names
    }


def _read_blobs(path: Path, lists: Mapping[str, WordList]) -> dict[str, dict[str, BlobField]]:
    blobs: dict[str, dict[str, BlobField]] = {}
    for line, row in _rows(path):
        one = _at(_BLOBS, line, partial(_blob_field, row, lists))
        fields = blobs.setdefault(one.block, {})
        if one.field in fields:
            raise _refused(_BLOBS, line, "the field has a row already")
        fields[one.field] = one
    return blobs


def _blob_field(row: Mapping[str, str], lists: Mapping[str, WordList]) -> BlobField:
    if row["block"] not in BLOCKS:
        raise ValueError("no block is called so")
    if not row["contract"]:
        raise ValueError("a kept field needs a contract on its value")
    return BlobField(
        block=row["block"],
        field=_stated(row, "field"),
        vr=row["vr"],
        vm=_vm(row["vm"]),
        contract=parse_contract(row["contract"], lists),
        reason=_stated(row, "reason"),
        source=_stated(row, "source"),
    )


def _require_places(
    rules: Mapping[str, Mapping[int, Rule]],
    private: Mapping[tuple[str, int], Mapping[int, PrivateRule]],
    blobs: Mapping[str, object],
) -> None:
    contracts = [rule.contract for block in private.values() for rule in block.values()]
    for contract in contracts:
        if contract.rebuilt_block is not None and contract.rebuilt_block not in blobs:
            raise ContractError(
                "a block is to be rebuilt and no field of it is allowed",
                where=f"{_PRIVATE}, block {contract.rebuilt_block}",
                hint=f"Add rows to {_BLOBS}.",
            )
    sequences = {
        rule.items_place
        for place in rules.values()
        for rule in place.values()
        if rule.action is Action.SEQUENCE
    } | {contract.items_place for contract in contracts}
    for where in rules:
        if where != ROOT and where not in sequences:
            raise ContractError(
                "rules stand below a sequence that is not allowed itself",
                where=f"{_PROFILE}, place {where}",
                hint="Add a row with action `sequence` for it.",
            )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        for row in reader:
            if None in row or None in row.values():
                raise _refused(path.name, reader.line_num, "the row has too few or too many cells")
            yield reader.line_num, row


def _at(file: str, line: int, build: Callable[[], _T]) -> _T:
    try:
        return build()
    except (ValueError, KeyError, re.error) as error:
        raise _refused(file, line, str(error)) from None


def _refused(file: str, line: int, why: str) -> ContractError:
    return ContractError(why, where=f"{file}, line {line}", hint="Mend the row.")


def tag_of(keyword: str) -> int:
    """Return the tag of a standard attribute."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag
