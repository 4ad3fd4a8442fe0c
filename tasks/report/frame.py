"""Templates and what they may call; one page as bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from schemas.protocol import read_protocol
from schemas.reviewer_codes import REVIEWER
from schemas.run.atomic_files import sha256_of_bytes
from schemas.tables.contracts import read_code_lists
from tasks.report import charts, messages
from tasks.report.phrases import both, code_labels
from tasks.report.rating_windows import volume_windows
from tasks.report.unrated import RATING_EVIDENCE
from tasks.report.verdicts import CriterionCount

_HERE = Path(__file__).parent
ASSETS = (
    *("site.css", "site.js", "tables.js", "reviews.js", "rating.js"),
    *("volumes.js", "scroller.js"),
)
#: What the pages for readers need; they lie in no report.
CASE_ASSETS = ("site.css", "site.js", "rating.js", "adjudicate.js")
NAVIGATION = (
    *("index", "worklist", "subjects", "completeness", "eligibility", "flow"),
    *("evaluation", "drift", "queries", "verification", "rating", "release", "signoff"),
)
#: The state of a report, written beside it: no part of what is signed.
STATE_SCRIPT = "data/run.js"
#: The part of it that a reader may know who rates an exam: name and hash, nobody's decisions.
RATER_STATE_SCRIPT = "data/rater.js"


@cache
def read_asset(name: str) -> bytes:
    """Return a style sheet or script of this package."""
    return (_HERE / "assets" / name).read_bytes()


@cache
def code_sha256() -> str:
    """Return the hash of the code, templates, messages and code lists that make a page."""
    parts = sorted(path for path in _HERE.rglob("*") if path.suffix in (".py", ".j2", ".yaml"))
    lists = repr(read_code_lists()).encode()
    return sha256_of_bytes(b"".join((*(path.read_bytes() for path in parts), lists)))


@cache
def environment() -> Environment:
    """Return the templates of this package; a name that nobody filled in is an error."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(
        t=messages.text,
        reviewer_pattern=REVIEWER.pattern,
        en=messages.english,
        zh=messages.chinese,
        bi=messages.bilingual,
        known=known_text,
        en_or=lambda key, otherwise: _word(messages.english, key, otherwise),
        zh_or=lambda key, otherwise: _word(messages.chinese, key, otherwise),
        phrase=lambda *text: messages.bilingual(*both(*text)),
        code_name=_code_name,
        share=charts.scale,
        percent=charts.percent,
        effect_bar=_effect_bar,
        version_name=lambda name: known_text(f"version.{name}", name),
        reason_text=lambda code: known_text(f"reason.{code}", ""),
        volume_windows=volume_windows,
        reading_name=_reading_name,
        rating_evidence=RATING_EVIDENCE,
        style=lambda: Markup(read_asset("site.css").decode()),  # noqa: S704 - our own file
        script=lambda: Markup(read_asset("site.js").decode()),  # noqa: S704 - our own file
        navigation=NAVIGATION,
    )
    made.filters["millimetres"] = _millimetres
    return made


def page(
    name: str,
    shared: Mapping[str, Any],
    *,
    template: str = "",
    title: Mapping[str, object] | None = None,
    data: Sequence[str] = (),
    scripts: Sequence[str] = (),
    state: str = STATE_SCRIPT,
    root: str = "",
    **own: Any,
) -> bytes:
    """Return one page.

    Parameters
    ----------
    name : str
        Its place in the navigation, or any other name.
    shared : mapping
        What all pages know.
    template : str
        Another template than the one of that name.
    title : mapping, optional
        Values of the title.
    data : sequence of str
        Long tables, by the name of their contents script.
    scripts : sequence of str
        Further scripts of the assets folder.
    state : str
        The script that says what is known of the report.
    root : str
        Way from the page to the report's folder.
    """
    key = f"{template or name}.title"
    values = dict(title or {})
    tables = (*(f"data/{table}.js" for table in data), "assets/tables.js") if data else ()
    context = {
        **shared,
        **own,
        "current": name,
        "root": root,
        "scripts": ("data/ui.js", state, *tables, *(f"assets/{one}" for one in scripts)),
        "title_en": f"{messages.english(key, **values)} – {messages.english('site_title')}",
        "title_zh": f"{messages.chinese(key, **values)} – {messages.chinese('site_title')}",
    }
    rendered = environment().get_template(f"{template or name}.html.j2").render(context)
    return rendered.encode()


def known_text(key: str, otherwise: str) -> Markup:
    """Return our word for a word of the data; a new one stands for itself."""
    return messages.text(key) if key in messages.read_messages() else escape(otherwise)


def _word(say: Callable[[str], str], key: str, otherwise: str) -> str:
    return say(key) if key in messages.read_messages() else otherwise


def _code_name(code_list: str, code: str | None) -> Markup:
    """Return what a code is called; one that the list lacks stands for itself."""
    if not code:
        return Markup("–")
    found = (code_labels(code_list, language).get(code, code) for language in ("en", "zh"))
    return messages.bilingual(*found)


def _reading_name(reading: str) -> Markup:
    """Return what the protocol calls a reading; one that it lacks stands for itself."""
    titles = {one.id: (one.title_en, one.title_zh) for one in read_protocol().readings}
    return messages.bilingual(*titles.get(reading, (reading, reading)))


def _effect_bar(one: CriterionCount) -> tuple[charts.Segment, ...]:
    return charts.stack_bar(
        (("pass", one.passes), ("undetermined", one.undetermined), ("fail", one.fails))
    )


def _millimetres(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
