"""The rules of a rule set tried on words and on header values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

from schemas.dicom.descriptors import clean_descriptor, read_agent_class
from schemas.dicom.features import InstanceFeatures
from schemas.errors import ContractError
from tasks.harmonise.rules import Phrase, Rule, RuleSet, read_rules
from tasks.harmonise.votes import Vote

_TIME = re.compile(r"(\d+(?:\.\d+)?)(s|min|h)")
_SECONDS_PER = {"s": 1.0, "min": 60.0, "h": 3600.0}
_SHORTEST_DELAY_S = 15.0
_DYNAMIC_WORDS = frozenset(
    {"dyn", "dynamic", "post", "+c", "c+", "delay", "delayed", "eob", "延迟", "延迟期", "延时"}
)
_B_VALUE = re.compile(r"b\d{1,4}")


@dataclass(frozen=True)
class Scope:
    """Where a text or header comes from."""

    modality: str | None
    vendor: str | None = None
    site: str | None = None


@dataclass(frozen=True, eq=False)
class Matcher:
    """Rules indexed by the first word of their phrases; one object per rule set.

    `words` are all words that some phrase of a rule holds.
    """

    words: frozenset[str]
    by_word: Mapping[str, tuple[tuple[Phrase, Rule], ...]]
    by_time: tuple[Rule, ...]
    by_b_value: tuple[Rule, ...]
    by_agent: tuple[Rule, ...]
    by_delays: tuple[Rule, ...]
    by_header: tuple[Rule, ...]


@lru_cache(maxsize=1)
def read_matcher() -> Matcher:
    """Return the matcher of the rules in force; every rule has passed its own examples."""
    matcher = build_matcher(read_rules())
    check_examples(read_rules(), matcher)
    return matcher


def build_matcher(rule_set: RuleSet) -> Matcher:
    """Index a rule set."""
    by_word: dict[str, list[tuple[Phrase, Rule]]] = {}
    for rule in rule_set.rules:
        for phrase in rule.words:
            by_word.setdefault(phrase[0], []).append((phrase, rule))
    phrases = (p for r in rule_set.rules for p in (*r.words, *r.with_any, *r.unless))
    return Matcher(
        words=frozenset(word for phrase in phrases for word in phrase),
        by_word={word: tuple(entries) for word, entries in by_word.items()},
        by_time=tuple(rule for rule in rule_set.rules if rule.seconds is not None),
        by_b_value=tuple(rule for rule in rule_set.rules if rule.b_value),
        by_agent=tuple(rule for rule in rule_set.rules if rule.agent is not None),
        by_delays=tuple(rule for rule in rule_set.rules if rule.several_delays),
        by_header=tuple(rule for rule in rule_set.rules if not rule.is_text_rule),
    )


def text_votes(matcher: Matcher, text: str, scope: Scope, tag: str) -> list[Vote]:
    """Return the votes of all text rules on a cleaned description.

    Parameters
    ----------
    matcher : Matcher
        The rules in force.
    text : str
        Output of `schemas.dicom.descriptors.clean_descriptor`.
    scope : Scope
        Modality, vendor and site that the text belongs to.
    tag : str
        DICOM keyword the text was read from, for evidence.
    """
    index = _index(matcher, scope, tag)
    words = text.split()
    present = frozenset(words)
    votes: list[Vote] = []
    for place, word in enumerate(words):
        for entry in index.entries(word):
            size = len(entry.phrase)
            if size > 1 and tuple(words[place : place + size]) != entry.phrase:
                continue
            if entry.is_free or _wanted(entry.rule, words, present):
                votes.append(entry.vote)
    agent = read_agent_class(text) if words else None
    if agent is not None:
        votes += [
            _vote(rule, tag, agent)
            for rule in index.by_agent
            if rule.agent == agent and _wanted(rule, words, present)
        ]
    if index.by_delays and len(stated_delays_s(words)) > 1:
        votes += [
            _vote(rule, tag, "delays") for rule in index.by_delays if _wanted(rule, words, present)
        ]
    return votes


@dataclass(frozen=True, eq=False, slots=True)
class _Entry:
    """What a word may begin: a phrase of a rule, and the vote if nothing forbids it."""

    phrase: Phrase
    rule: Rule
    vote: Vote
    is_free: bool


class _Index:
    """The text rules of one scope by word; what a word may begin is worked out once."""

    def __init__(self, matcher: Matcher, scope: Scope, tag: str) -> None:
        self.by_agent = [rule for rule in matcher.by_agent if _in_scope(rule, scope)]
        self.by_delays = [rule for rule in matcher.by_delays if _in_scope(rule, scope)]
        self._matcher, self._scope, self._tag = matcher, scope, tag
        self._known: dict[str, tuple[_Entry, ...]] = {}

    def entries(self, word: str) -> tuple[_Entry, ...]:
        """Return the entries of a cleaned word; there are as many words as the vocabulary has."""
        found = self._known.get(word)
        if found is None:
            found = self._known[word] = tuple(self._entries(word))
        return found

    def _entries(self, word: str) -> Iterator[_Entry]:
        for phrase, rule in _beginning_with(self._matcher, word):
            if _in_scope(rule, self._scope):
                vote = _vote(rule, self._tag, "_".join(phrase))
                is_free = not (rule.with_any or rule.unless or rule.unless_seconds)
                yield _Entry(phrase, rule, vote, is_free)


@lru_cache(maxsize=256)
def _index(matcher: Matcher, scope: Scope, tag: str) -> _Index:
    return _Index(matcher, scope, tag)


def _vote(rule: Rule, tag: str, matched: str) -> Vote:
    return Vote(rule.rule_id, rule.facet, rule.vote, rule.priority, tag, matched)


def _beginning_with(matcher: Matcher, word: str) -> Iterator[tuple[Phrase, Rule]]:
    yield from matcher.by_word.get(word, ())
    time_s = _time_of(word)
    if time_s is not None:
        yield from (((word,), rule) for rule in matcher.by_time if _within(rule.seconds, time_s))
    elif _B_VALUE.fullmatch(word):
        yield from (((word,), rule) for rule in matcher.by_b_value)


def header_votes(matcher: Matcher, facts: InstanceFeatures, scope: Scope) -> list[Vote]:
    """Return the votes of all physics rules on an instance's header values."""
    votes = []
    for rule in _rules_in_scope(matcher, scope):
        values = _values(rule, facts)
        if values is not None:
            tag = "+".join(condition.keyword for condition in rule.numeric)
            matched = "+".join(values)
            votes.append(Vote(rule.rule_id, rule.facet, rule.vote, rule.priority, tag, matched))
    return votes


@lru_cache(maxsize=256)
def _rules_in_scope(matcher: Matcher, scope: Scope) -> tuple[Rule, ...]:
    return tuple(rule for rule in matcher.by_header if _in_scope(rule, scope))


def _values(rule: Rule, facts: InstanceFeatures) -> list[str] | None:
    """Return what fulfils each condition of the rule, or None when one does not hold."""
    values: list[str] = []
    for condition in rule.numeric:
        value = condition.matched(facts)
        if value is None:
            return None
        values.append(value)
    return values


#: Stands for every number that no rule reads.
_UNREAD_NUMBER = "0"


@lru_cache(maxsize=65536)
def word_as_read(word: str) -> str:
    """Return a cleaned word as the rules in force see it: a number none reads is like another.

    Descriptions that differ only in a slice thickness get their label once.
    """
    read = (
        word.isalpha()
        or word in read_matcher().words
        or not any(c.isdigit() for c in word)
        or _time_of(word) is not None
        or _B_VALUE.fullmatch(word) is not None
        or read_agent_class(word) is not None
    )
    return word if read else _UNREAD_NUMBER


def stated_delays_s(words: Sequence[str]) -> set[float]:
    """Return the delays that cleaned words state; fewer than 15 s are a breath-hold or a pause."""
    return {m for word in words if (m := _time_of(word)) is not None and m >= _SHORTEST_DELAY_S}


def stated_delay_s(text: str, modality: str | None) -> float | None:
    """Return the only delay after injection that a cleaned description states, in seconds.

    Seconds in an MR name are as a rule the length of a breath-hold: they count beside a word
    of the dynamic only.
    """
    words = text.split()
    found = stated_delays_s(words)
    if len(found) != 1:
        return None
    delay = found.pop()
    in_seconds = any(w.endswith("s") and _time_of(w) == delay for w in words)
    if modality == "MR" and in_seconds and not _DYNAMIC_WORDS.intersection(words):
        return None
    return delay


def _time_of(word: str) -> float | None:
    match = _TIME.fullmatch(word)
    return float(match[1]) * _SECONDS_PER[match[2]] if match else None


def _within(limits: tuple[float, float] | None, time_s: float | None) -> bool:
    return limits is not None and time_s is not None and limits[0] <= time_s <= limits[1]


def _in_scope(rule: Rule, scope: Scope) -> bool:
    return (
        (not rule.modalities or scope.modality in rule.modalities)
        and (not rule.vendors or scope.vendor in rule.vendors)
        and (not rule.sites or scope.site in rule.sites)
    )


def _wanted(rule: Rule, words: Sequence[str], present: frozenset[str]) -> bool:
    if rule.unless_seconds is not None and any(
        word.endswith("s") and _within(rule.unless_seconds, _time_of(word)) for word in words
    ):
        return False
    if rule.with_any and not _holds_any(rule.with_any, words, present):
        return False
    return not _holds_any(rule.unless, words, present)


def _holds_any(phrases: Sequence[Phrase], words: Sequence[str], present: frozenset[str]) -> bool:
    for phrase in phrases:
        # Most phrases are one word, and most first words are not there.
        if phrase[0] in present and (len(phrase) == 1 or _contains(phrase, words)):
            return True
    return False


def _contains(phrase: Phrase, words: Sequence[str]) -> bool:
    return any(tuple(words[i : i + len(phrase)]) == phrase for i in range(len(words)))


def check_examples(rule_set: RuleSet, matcher: Matcher) -> None:
    """Try every rule on its own examples.

    Raises
    ------
    ContractError
        When a positive example is not matched or a negative one is; names file and line.
    """
    for rule in rule_set.rules:
        for example in rule.positive:
            if not _fires(rule, example, matcher):
                raise ContractError(
                    f"rule {rule.rule_id} does not match a positive example", where=rule.where
                )
        for example in rule.negative:
            if _fires(rule, example, matcher):
                raise ContractError(
                    f"rule {rule.rule_id} matches a negative example", where=rule.where
                )


def _fires(rule: Rule, example: object, matcher: Matcher) -> bool:
    scope = Scope(
        min(rule.modalities, default=None),
        min(rule.vendors, default=None),
        min(rule.sites, default=None),
    )
    if isinstance(example, str) and rule.is_text_rule:
        votes = text_votes(matcher, clean_descriptor(example), scope, "SeriesDescription")
    elif isinstance(example, dict) and not rule.is_text_rule:
        votes = header_votes(matcher, _example_features(example, rule.where), scope)
    else:
        raise ContractError("an example of the wrong kind", where=rule.where)
    return any(vote.rule_id == rule.rule_id for vote in votes)


def _example_features(example: Mapping[str, object], where: str) -> InstanceFeatures:
    known = {f.name for f in fields(InstanceFeatures)}
    values = {
        ("field_strength_raw" if k == "field_strength_t" else k): v for k, v in example.items()
    }
    unknown = sorted(set(values) - known)
    if unknown:
        raise ContractError(f"an example with unknown fields {', '.join(unknown)}", where=where)
    tidy = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    empty = dict.fromkeys(
        ("subject_id", "study_uid", "series_uid", "sop_uid", "sop_class_uid"), None
    )
    return InstanceFeatures(**{**empty, **tidy})  # type: ignore[arg-type]  # YAML scalars; names checked above
