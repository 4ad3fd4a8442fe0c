"""The labelling rules in force as a table that people read."""

from __future__ import annotations

from tasks.harmonise.matching import read_matcher
from tasks.harmonise.rules import Rule, read_rules
from tasks.harmonise.vocabulary import LabelDefinition, read_labels


def render_label_rules_markdown() -> str:
    """Return labels and rules in force as Markdown, for `livercohort rules`."""
    read_matcher()
    rules = read_rules()
    parts = [
        "# Labelling rules in force",
        "",
        f"mapping_version `{rules.mapping_version}`: {len(rules.rules)} rules, "
        f"{len(read_labels())} labels. The highest priority of a facet wins; a tie is a conflict.",
        "",
        "## Labels",
        "",
        "| Label | Modality | Meaning | 含义 | Thickness limit (mm) | Required in |",
        "|---|---|---|---|---|---|",
        *(_label_row(label) for label in read_labels().values()),
        "",
        "## Rules",
        "",
        "| Rule | Facet | Vote | Priority | Modality | Matches | Reason | Source |",
        "|---|---|---|---|---|---|---|---|",
        *(_rule_row(rule) for rule in rules.rules),
    ]
    return "\n".join(parts) + "\n"


def _label_row(label: LabelDefinition) -> str:
    limit = "" if label.thickness_limit_mm is None else f"{label.thickness_limit_mm:g}"
    return _row(
        label.label,
        ", ".join(label.modalities),
        label.definition_en,
        label.definition_zh,
        limit,
        ", ".join(sorted(label.required_in)),
    )


def _rule_row(rule: Rule) -> str:
    return _row(
        rule.rule_id,
        rule.facet,
        rule.vote,
        str(rule.priority),
        ", ".join(sorted(rule.modalities)) or "all",
        _matches(rule),
        rule.reason,
        rule.source,
    )


def _matches(rule: Rule) -> str:
    parts = []
    if rule.words:
        parts.append(", ".join(" ".join(phrase) for phrase in rule.words))
    if rule.seconds is not None:
        parts.append(f"a stated delay of {rule.seconds[0]:g} to {rule.seconds[1]:g} s")
    if rule.several_delays:
        parts.append("several stated delays")
    if rule.b_value:
        parts.append("a stated b-value")
    if rule.agent is not None:
        parts.append(f"an agent of class {rule.agent}")
    parts += [condition.described() for condition in rule.numeric]
    if rule.with_any:
        parts.append("beside " + ", ".join(" ".join(phrase) for phrase in rule.with_any))
    if rule.unless:
        parts.append("unless " + ", ".join(" ".join(phrase) for phrase in rule.unless))
    if rule.unless_seconds is not None:
        low, high = rule.unless_seconds
        parts.append(f"unless a delay of {low:g} to {high:g} is stated in seconds")
    return "; ".join(parts)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
