"""Label rules as the tables state them: one frozen record per rule, refused when wrong.

`data_contracts/sequence_labels/rules/*.yaml` are read once. Every rule is tried on its own
positive and negative examples before it counts; a file with an error is refused by file,
line and reason. `mapping_version` names exactly the tables a label was made with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schemas.dicom.descriptors import clean_descriptor
from schemas.errors import ContractError
from schemas.identifiers import RuleId
from schemas.package_data import label_tables_root
from schemas.rule_documents import parse_document
from schemas.rule_tables import TableError, read_signed
from tasks.harmonise.conditions import Condition, parse_condition
from tasks.harmonise.vocabulary import read_labels

#: Semantic version of the rules: major when a label changes its meaning, minor when labels
#: of existing series change, patch otherwise.
RULES_VERSION = "2.1.0"

FACETS: Mapping[str, frozenset[str]] = {
    "family": frozenset({"t1", "t2", "mrcp", "bssfp", "dwi", "adc"}),
    "contrast_phase": frozenset(
        {"pre", "art", "pvp", "del", "trans", "late", "hbp", "post", "multi"}
    ),
    "echo": frozenset({"in", "opp", "inopp"}),
    "echo_time": frozenset({"in", "opp"}),
    "dixon": frozenset({"water", "fat"}),
    "fat_sat": frozenset({"yes", "no"}),
    "abstain": frozenset({"unsure"}),
    "region": frozenset({"abdomen", "other", "chest"}),
}
_REQUIRED = {"id", "priority", "facet", "vote", "positive", "negative", "reason", "source"}
_MATCHERS = {"words", "seconds", "several_delays", "b_value", "agent", "numeric"}
_OPTIONAL = {"modality", "vendor", "site", "with", "unless", "unless_seconds"}

Phrase = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule. A text rule matches cleaned words, a physics rule header values.

    `words` are sequences of whole words; `with_any` and `unless` narrow a text match;
    `seconds` is the closed range of a delay that the text states, `unless_seconds` that of one
    whose statement in seconds forbids the match; `several_delays` asks for two of them that
    differ; `numeric` conditions must all hold. Empty `modalities`, `vendors` or `sites` mean all.
    """

    rule_id: RuleId
    priority: int
    facet: str
    vote: str
    modalities: frozenset[str]
    vendors: frozenset[str]
    sites: frozenset[str]
    words: tuple[Phrase, ...]
    with_any: tuple[Phrase, ...]
    unless: tuple[Phrase, ...]
    unless_seconds: tuple[float, float] | None
    seconds: tuple[float, float] | None
    several_delays: bool
    b_value: bool
    agent: str | None
    numeric: tuple[Condition, ...]
    positive: tuple[object, ...]
    negative: tuple[object, ...]
    reason: str
    source: str
    where: str

    @property
    def is_text_rule(self) -> bool:
        """Whether the rule reads words rather than header values."""
        return not self.numeric


@dataclass(frozen=True)
class RuleSet:
    """All rules in force, in file order, and the version that names them."""

    rules: tuple[Rule, ...]
    mapping_version: str


def parse_rules(text: bytes | str, file_name: str) -> list[Rule]:
    """Parse one rule file.

    Raises
    ------
    ContractError
        For unreadable YAML, an unknown or missing key, a facet, vote, word or condition that
        does not exist; the message names file and line.
    """
    document = parse_document(text, file_name)
    rules: list[Rule] = []
    problems: list[ContractError] = []
    for number, entry in enumerate(document.rows("rules")):
        try:
            rules.append(_parse_rule(entry, document.where(("rules", number))))
        except ContractError as error:
            problems.append(error)
    if problems:
        raise TableError.of(problems)
    return rules


def _parse_rule(entry: object, where: str) -> Rule:
    if not isinstance(entry, dict):
        raise ContractError("a rule that is not a mapping", where=where)
    _require_keys(entry, where)
    facet, vote = str(entry["facet"]), str(entry["vote"])
    votes = frozenset(read_labels()) if facet == "exclusion" else FACETS.get(facet, frozenset())
    if vote not in votes:
        raise ContractError("a facet or vote that does not exist", where=where)
    lists = all(isinstance(entry[key], list) for key in ("positive", "negative"))
    if not lists or type(entry["priority"]) is not int:
        raise ContractError(
            "a priority that is no whole number, or examples that are no list", where=where
        )
    return Rule(
        rule_id=RuleId(str(entry["id"])),
        priority=entry["priority"],
        facet=facet,
        vote=vote,
        modalities=frozenset(_strings(entry, "modality", where)),
        vendors=frozenset(_strings(entry, "vendor", where)),
        sites=frozenset(_strings(entry, "site", where)),
        words=_phrases(entry, "words", where),
        with_any=_phrases(entry, "with", where),
        unless=_phrases(entry, "unless", where),
        unless_seconds=_seconds(entry, "unless_seconds", where),
        seconds=_seconds(entry, "seconds", where),
        several_delays=bool(entry.get("several_delays", False)),
        b_value=bool(entry.get("b_value", False)),
        agent=entry.get("agent"),
        numeric=tuple(
            parse_condition(name, wanted, where)
            for name, wanted in (entry.get("numeric") or {}).items()
        ),
        positive=tuple(entry["positive"]),
        negative=tuple(entry["negative"]),
        reason=str(entry["reason"]),
        source=str(entry["source"]),
        where=where,
    )


def _require_keys(entry: Mapping[str, object], where: str) -> None:
    missing = sorted(key for key in _REQUIRED if not entry.get(key) and entry.get(key) != 0)
    if missing:
        raise ContractError(f"a rule without {', '.join(missing)}", where=where)
    unknown = sorted(set(entry) - _REQUIRED - _OPTIONAL - _MATCHERS)
    if unknown:
        raise ContractError(f"unknown keys {', '.join(unknown)}", where=where)
    if len(_MATCHERS & set(entry)) != 1:
        raise ContractError(
            "a rule with no matcher or several",
            expected=f"one of {', '.join(sorted(_MATCHERS))}",
            where=where,
        )


def _seconds(entry: Mapping[str, object], key: str, where: str) -> tuple[float, float] | None:
    value = entry.get(key)
    if value is None:
        return None
    numbers = value if isinstance(value, list) else []
    if len(numbers) != 2 or not all(isinstance(n, int | float) for n in numbers):
        raise ContractError(f"`{key}` is not a closed range", expected="[low, high]", where=where)
    low, high = float(numbers[0]), float(numbers[1])
    if low > high:
        raise ContractError(f"`{key}` is not a closed range", expected="[low, high]", where=where)
    return low, high


def _strings(entry: Mapping[str, object], key: str, where: str) -> list[str]:
    values = entry.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ContractError(f"`{key}` is not a list of strings", where=where)
    return values


def _phrases(entry: Mapping[str, object], key: str, where: str) -> tuple[Phrase, ...]:
    phrases = _strings(entry, key, where)
    for phrase in phrases:
        # Single letters side by side would be dropped; alone they are words.
        if clean_descriptor(phrase) != phrase:
            raise ContractError(
                f"`{key}` has a phrase that no cleaned text contains: `{phrase}`",
                where=where,
                hint="Add the word to descriptor_vocabulary.txt, or write its canonical form.",
            )
    return tuple(tuple(phrase.split()) for phrase in phrases)


def require_unique_ids(rules: Iterable[Rule]) -> None:
    """Raise when two rules have one id."""
    seen: dict[str, str] = {}
    for rule in rules:
        if rule.rule_id in seen:
            raise ContractError(
                f"the id {rule.rule_id} stands twice", where=f"{seen[rule.rule_id]}, {rule.where}"
            )
        seen[rule.rule_id] = rule.where


@lru_cache(maxsize=1)
def read_rules() -> RuleSet:
    """Read the rules in force, once; their examples are tried by `tasks.harmonise.text`."""
    folder = label_tables_root() / "sequence_labels"
    rules: list[Rule] = []
    for path in rule_files(folder):
        rules += parse_rules(read_signed(path), f"rules/{path.name}")
    require_unique_ids(rules)
    return RuleSet(tuple(rules), mapping_version(tables_of_labels(folder)))


def rule_files(folder: Path) -> list[Path]:
    """Return the rule files below `folder`, by name."""
    return sorted((folder / "rules").glob("*.yaml"))


def tables_of_labels(folder: Path) -> list[Path]:
    """Return the tables that name a mapping version, below a folder `sequence_labels`."""
    vocabulary = folder.parent / "deidentification" / "descriptor_vocabulary.txt"
    return [*sorted(folder.glob("*.csv")), *rule_files(folder), vocabulary]


def mapping_version(paths: Sequence[Path]) -> str:
    """Return the semantic version and the first 12 hex digits of the tables' SHA-256."""
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.name}\n{len(content)}\n".encode())
        digest.update(content)
    return f"{RULES_VERSION}+{digest.hexdigest()[:12]}"
