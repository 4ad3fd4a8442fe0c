"""The rules of a rule set tried on words and on header values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

from schemas.descriptors import clean_descriptor, read_agent_class
from schemas.errors import ContractError
from schemas.features import InstanceFeatures
from tasks.harmonise.rules import Phrase, Rule, RuleSet, read_rules
from tasks.harmonise.votes import Vote

_TIME = re.compile(r"(\d+(?:\.\d+)?)(s|min|h)")
_SECONDS_PER = {"s": 1.0, "min": 60.0, "h": 3600.0}
_B_VALUE = re.compile(r"b\d{1,4}")


@dataclass(frozen=True)
class Scope:
    """Where a text or header comes from."""

    modality: str | None
    vendor: str | None = None
    site: str | None = None


@dataclass(frozen=True, eq=False)
class Matcher:
    """Rules indexed by the first word of their phrases; one object per rule set."""

    by_word: Mapping[str, tuple[tuple[Phrase, Rule], ...]]
    by_time: tuple[Rule, ...]
    by_b_value: tuple[Rule, ...]
    by_agent: tuple[Rule, ...]
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
    return Matcher(
        by_word={word: tuple(entries) for word, entries in by_word.items()},
        by_time=tuple(rule for rule in rule_set.rules if rule.seconds is not None),
        by_b_value=tuple(rule for rule in rule_set.rules if rule.b_value),
        by_agent=tuple(rule for rule in rule_set.rules if rule.agent is not None),
        by_header=tuple(rule for rule in rule_set.rules if not rule.is_text_rule),
    )


def text_votes(matcher: Matcher, text: str, scope: Scope, tag: str) -> list[Vote]:
    """Return the votes of all text rules on a cleaned description.

    Parameters
    ----------
    matcher : Matcher
        The rules in force.
    text : str
        Output of `schemas.descriptors.clean_descriptor`.
    scope : Scope
        Modality, vendor and site that the text belongs to.
    tag : str
        DICOM keyword the text was read from, for evidence.
    """
    words = text.split()
    present = set(words)
    return [
        Vote(rule.rule_id, rule.facet, rule.vote, rule.priority, tag, matched)
        for rule, matched in _matches(matcher, words, text)
        if _in_scope(rule, scope) and _wanted(rule, words, present)
    ]


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


def stated_delay_s(text: str) -> float | None:
    """Return the only delay that a cleaned description states, in seconds."""
    found = {m for word in text.split() if (m := _time_of(word)) is not None}
    return found.pop() if len(found) == 1 else None


def _matches(matcher: Matcher, words: Sequence[str], text: str) -> Iterator[tuple[Rule, str]]:
    for place, word in enumerate(words):
        for phrase, rule in matcher.by_word.get(word, ()):
            if len(phrase) == 1 or tuple(words[place : place + len(phrase)]) == phrase:
                yield rule, "_".join(phrase)
        if word[0].isdigit():
            time_s = _time_of(word)
            if time_s is not None:
                yield from ((r, word) for r in matcher.by_time if _within(r.seconds, time_s))
        elif _B_VALUE.fullmatch(word):
            yield from ((rule, word) for rule in matcher.by_b_value)
    agent = read_agent_class(text) if words else None
    if agent is not None:
        yield from ((rule, agent) for rule in matcher.by_agent if rule.agent == agent)


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


def _wanted(rule: Rule, words: Sequence[str], present: set[str]) -> bool:
    if rule.unless_seconds is not None and any(
        word.endswith("s") and _within(rule.unless_seconds, _time_of(word)) for word in words
    ):
        return False
    if rule.with_any and not any(_contains(p, words, present) for p in rule.with_any):
        return False
    return not any(_contains(phrase, words, present) for phrase in rule.unless)


def _contains(phrase: Phrase, words: Sequence[str], present: set[str]) -> bool:
    if len(phrase) == 1:
        return phrase[0] in present
    if not present.issuperset(phrase):
        return False
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
