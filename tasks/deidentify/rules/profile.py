"""The allow-list: which attribute may stay, where, under which contract, and why.

Rows come from `data_contracts/deidentification/`: `profile.csv` (public attributes),
`private_attributes.csv` (private ones by creator), `blob_fields.csv` (what stays of vendors'
blocks), `words.csv` (closed word lists) and `codes.csv` (coded entries).
What has no row is removed at every depth.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache, partial
from pathlib import Path

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.rule_tables import Cells, TableError, TableShape, attempt, read_table
from tasks.deidentify.rules.blobs import BLOCKS, BlobField
from tasks.deidentify.rules.codes import CodeList, read_codes
from tasks.deidentify.rules.contract import Contract, WordList, parse_contract

ROOT = ""
#: A place without public rows: only private attributes stay there.
PRIVATE_ONLY = "PrivateOnly"
#: Editions of PS3.15 table E.1-1 that the tables are tested against: the actions of the basic
#: profile are of one, the columns of the options of older ones.
TABLE_EDITION = "DICOM PS3.15 2026c (options: 2024b, 2025b)"
_PROFILE, _PRIVATE, _WORDS = "profile.csv", "private_attributes.csv", "words.csv"
_BLOBS, _CODES = "blob_fields.csv", "codes.csv"
_VM = re.compile(r"\d+(-(\d+|n))?")
_TAG = re.compile(r"[0-9A-F]{4},[0-9A-F]{4}")
_BLOCK = re.compile(r"[0-9A-F]{4} [0-9A-F]{2}")
_RULES = TableShape(
    ("tag", "keyword", "where", "action", "vr", "vm", "contract", "option", "reason", "source"),
    key=("tag", "where"),
)
_PRIVATE_RULES = TableShape(
    ("creator", "group", "element", "vr", "vm", "contract", "reason", "source"),
    key=("creator", "group", "element"),
    stated=("creator", "reason", "source"),
)
_BLOB_FIELDS = TableShape(
    ("block", "field", "vr", "vm", "contract", "reason", "source"),
    key=("block", "field"),
    stated=("field", "reason", "source"),
)
_WORD_ROWS = TableShape(
    ("list", "kind", "value", "reason", "source"),
    key=("list", "kind", "value"),
    stated=("list", "value", "reason", "source"),
)


class Action(StrEnum):
    """What happens to an attribute."""

    KEEP = "keep"
    WORDS = "words"
    DESCRIPTOR = "descriptor"
    UID = "uid"
    DATE = "date"
    TIME = "time"
    AGE = "age"
    CODE = "code"
    EMPTY = "empty"
    KEYED = "keyed"
    PSEUDONYM = "pseudonym"
    STUDY = "study"
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
    PIXELS = "pixels"


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


PrivateRules = dict[tuple[str, int], dict[int, PrivateRule]]


@dataclass(frozen=True)
class Profile:
    """All rules, by where they hold."""

    rules: Mapping[str, Mapping[int, Rule]]
    private: Mapping[tuple[str, int], Mapping[int, PrivateRule]]
    word_lists: Mapping[str, WordList] = field(repr=False)
    blobs: Mapping[str, Mapping[str, BlobField]] = field(default_factory=dict, repr=False)
    codes: Mapping[str, CodeList] = field(default_factory=dict, repr=False)

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
    problems: list[ContractError] = []
    rules = attempt(partial(_read_rules, folder / _PROFILE, lists), problems) or {}
    private = attempt(partial(_read_private, folder / _PRIVATE, lists), problems) or {}
    blobs = attempt(partial(_read_blobs, folder / _BLOBS, lists), problems) or {}
    codes = attempt(partial(read_codes, folder / _CODES), problems) or {}
    if problems:
        raise TableError.of(problems)
    _require_places(rules, private, blobs)
    _require_codes(rules, codes)
    return Profile(rules, private, lists, blobs, codes)


def _read_rules(path: Path, lists: Mapping[str, WordList]) -> dict[str, dict[int, Rule]]:
    rules: dict[str, dict[int, Rule]] = {}
    for rule in read_table(path, _RULES, partial(_rule, lists=lists)):
        rules.setdefault(rule.where, {})[rule.tag] = rule
    return rules


def _read_private(path: Path, lists: Mapping[str, WordList]) -> PrivateRules:
    private: PrivateRules = {}
    for one in read_table(path, _PRIVATE_RULES, partial(_private_rule, lists=lists)):
        private.setdefault((one.creator, one.group), {})[one.element] = one
    return private


def _rule(row: Cells, lists: Mapping[str, WordList]) -> Rule:
    if not _TAG.fullmatch(row["tag"]):
        raise ValueError("a tag is written `GGGG,EEEE` in capital hex digits")
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
        reason=row["reason"],
        source=row["source"],
    )


def _contract(action: Action, text: str, lists: Mapping[str, WordList]) -> Contract:
    if action in (Action.KEEP, Action.WORDS, Action.FIXED, Action.CODE) and not text:
        raise ValueError("a kept attribute needs a contract on its value")
    return parse_contract(text, lists)


def _private_rule(row: Cells, lists: Mapping[str, WordList]) -> PrivateRule:
    if not _BLOCK.fullmatch(f"{row['group']} {row['element']}"):
        raise ValueError("group and offset are written in four and two capital hex digits")
    group, element = int(row["group"], 16), int(row["element"], 16)
    if group % 2 == 0:
        raise ValueError("a private element has an odd group")
    if not row["contract"]:
        raise ValueError("a kept attribute needs a contract on its value")
    return PrivateRule(
        creator=row["creator"],
        group=group,
        element=element,
        vr=row["vr"],
        vm=_vm(row["vm"]),
        contract=parse_contract(row["contract"], lists),
        reason=row["reason"],
        source=row["source"],
    )


def _vm(text: str) -> str:
    if _VM.fullmatch(text) is None:
        raise ValueError("vm is not a value multiplicity")
    return text


def _read_words(path: Path) -> dict[str, WordList]:
    literal: dict[str, set[str]] = {}
    patterns: dict[str, list[re.Pattern[str]]] = {}
    for name, words in read_table(path, _WORD_ROWS, _word_row):
        if isinstance(words, re.Pattern):
            patterns.setdefault(name, []).append(words)
        else:
            literal.setdefault(name, set()).update(words)
    names = sorted({*literal, *patterns})
    return {
        n: WordList(n, frozenset(literal.get(n, ())), tuple(patterns.get(n, ()))) for n in names
    }


def _word_row(row: Cells) -> tuple[str, re.Pattern[str] | list[str]]:
    if row["kind"] == "pattern":
        return row["list"], re.compile(row["value"])
    if row["kind"] != "words":
        raise ValueError("kind is neither words nor pattern")
    return row["list"], row["value"].split("|")


def _read_blobs(path: Path, lists: Mapping[str, WordList]) -> dict[str, dict[str, BlobField]]:
    blobs: dict[str, dict[str, BlobField]] = {}
    for one in read_table(path, _BLOB_FIELDS, partial(_blob_field, lists=lists)):
        blobs.setdefault(one.block, {})[one.field] = one
    return blobs


def _blob_field(row: Cells, lists: Mapping[str, WordList]) -> BlobField:
    if row["block"] not in BLOCKS:
        raise ValueError("no block is called so")
    if not row["contract"]:
        raise ValueError("a kept field needs a contract on its value")
    return BlobField(
        block=row["block"],
        field=row["field"],
        vr=row["vr"],
        vm=_vm(row["vm"]),
        contract=parse_contract(row["contract"], lists),
        reason=row["reason"],
        source=row["source"],
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


def _require_codes(rules: Mapping[str, Mapping[int, Rule]], codes: Mapping[str, CodeList]) -> None:
    for rule in (rule for place in rules.values() for rule in place.values()):
        if rule.action is Action.CODE and rule.contract.code_list not in codes:
            raise ContractError(
                "coded entries are to be kept and no code of their list is allowed",
                where=f"{_PROFILE}, {rule.keyword}",
                hint=f"Add rows to {_CODES}, or name one of its lists as `codes:LIST`.",
            )


def tag_of(keyword: str) -> int:
    """Return the tag of a standard attribute."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag
