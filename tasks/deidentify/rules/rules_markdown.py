"""The rules in force as Markdown: what `livercohort rules` prints and the manual shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tasks.deidentify.rules.dropped import load_dropped
from tasks.deidentify.rules.profile import Profile, load_profile

_PUBLIC_HEAD = (
    "Tag",
    "Attribute",
    "Below",
    "Action",
    "VR",
    "VM",
    "Contract",
    "Option",
    "Reason",
    "Source",
)
_PRIVATE_HEAD = ("Creator", "Element", "VR", "VM", "Contract", "Reason", "Source")
_BLOB_HEAD = ("Block", "Field", "VR", "VM", "Contract", "Reason", "Source")
_WORDS_HEAD = ("List", "Words", "Patterns")
_CODES_HEAD = ("List", "Scheme", "Codes and their meaning")
_DROPPED_HEAD = ("Tag", "Attribute", "Reason", "Source")


def render_rules_markdown(profile: Profile | None = None) -> str:
    """Return all rules of a profile (default: the one in force) as Markdown tables.

    The same profile gives the same text; `docs/deidentification.md` contains it.
    """
    profile = profile or load_profile()
    sections = (
        ("### Public attributes that may stay", _table(_PUBLIC_HEAD, _public_rows(profile))),
        ("### Private attributes that may stay", _table(_PRIVATE_HEAD, _private_rows(profile))),
        ("### What stays of vendors' blocks", _table(_BLOB_HEAD, _blob_rows(profile))),
        ("### Word lists", _table(_WORDS_HEAD, _word_rows(profile))),
        ("### Coded entries that may stay", _table(_CODES_HEAD, _code_rows(profile))),
        (
            "### Dropped though table E.1-1 does not ask for it",
            _table(_DROPPED_HEAD, _dropped_rows()),
        ),
    )
    return "\n".join(f"{title}\n\n{table}" for title, table in sections)


def _public_rows(profile: Profile) -> Iterator[tuple[str, ...]]:
    for r in profile.all_rules():
        tag = f"({r.tag >> 16:04X},{r.tag & 0xFFFF:04X})"
        contract = _code(r.contract.text)
        where = r.where or "–"
        yield tag, r.keyword, where, r.action, r.vr, r.vm, contract, r.option, r.reason, r.source


def _private_rows(profile: Profile) -> Iterator[tuple[str, ...]]:
    for r in profile.all_private_rules():
        element = f"({r.group:04X},xx{r.element:02X})"
        yield r.creator, element, r.vr, r.vm, _code(r.contract.text), r.reason, r.source


def _blob_rows(profile: Profile) -> Iterator[tuple[str, ...]]:
    for r in profile.all_blob_fields():
        yield r.block, r.field, r.vr, r.vm, _code(r.contract.text), r.reason, r.source


def _word_rows(profile: Profile) -> Iterator[tuple[str, ...]]:
    for name in sorted(profile.word_lists):
        words = profile.word_lists[name]
        patterns = " ".join(_code(p.pattern) for p in words.patterns)
        yield name, ", ".join(sorted(words.words)), patterns


def _code_rows(profile: Profile) -> Iterator[tuple[str, ...]]:
    for name in sorted(profile.codes):
        codes = profile.codes[name]
        for scheme in sorted({scheme for scheme, _ in codes}):
            of_it = sorted((value, text) for (s, value), text in codes.items() if s == scheme)
            yield name, scheme, "; ".join(f"{value} {text}" for value, text in of_it)


def _dropped_rows() -> Iterator[tuple[str, ...]]:
    for one in load_dropped():
        yield f"({one.tag})", one.keyword, one.reason, one.source


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |\n" for line in lines
    )
