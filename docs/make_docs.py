"""Write what the manual says of the code from the code itself: `make docs`.

`documents()` returns every generated page as it should stand; a test compares them with the
pages on disk, so a page that has drifted fails the build.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from flows.cli import app
from flows.deployments import prefect_yaml
from schemas.states import REASONS
from tasks.deidentify.conformance_markdown import render_conformance
from tasks.deidentify.rules.rules_markdown import render_rules_markdown
from tasks.eligibility.protocol_markdown import render_protocol_markdown
from tasks.harmonise.explain import render_explained_labels
from tasks.harmonise.render import render_label_rules_markdown

DOCS = Path(__file__).resolve().parent
_WIDTH = 100
_RULES_BEGIN = "### Public attributes that may stay\n"
_REASONS_BEGIN, _REASONS_END = "<!-- reasons: made by make docs -->\n", "<!-- end of reasons -->\n"
_CLI_HEAD = """# Commands

Made by `make docs` from the commands themselves. Exit codes of every command: 0 done,
1 findings block, 2 bad usage or input, 3 environment (key, tool, disk), 4 interrupted,
120 nobody read what was said, 143 stopped by SIGTERM.
"""
_LABELS_HEAD = """# Sequence labels

What a series is called, and why. Made by `make docs`; `livercohort rules labels` prints the same.
The rules stand in `data_contracts/sequence_labels/`. A series that no rule decides, or about which
rules contradict each other, is `UNCLASSIFIED`.

"""
_LABELS_HOW = """## How a label comes about

1. A series is split into the parts that can each be one volume.
2. Planning, tracking, reports, subtractions and reformats are set aside by name and ImageType.
3. Words and physics give the family (T1, T2, diffusion, ...), the echo and the Dixon part.
4. All acquisitions of the exam get their phases together: names, times and the agent are weighed
   as one ordered assignment. A name stands unless another phase fits clearly better.
5. Tier A: name and physics or time agree. B: one explicit source. C: inferred from the pattern of
   the exam alone. X: sources contradict each other. Without A, B or C there is no label.
6. What has no label goes to a person: `livercohort rules review --out queue.csv` writes one row for
   each pattern; fill in decision, author, date and reason; `livercohort rules decide queue.csv`
   takes them in. A decision stands above the rules, shows in the evidence, and is a finding when
   the part it names has changed since.
7. `livercohort rules diff` prints what a change of the rules relabels before anything is published.
   A table with an error stops a night or a release before it begins; `livercohort rules check`
   says file, line and what to do. Should one break while a night runs, the version before stays
   in force.

## What was measured

Commands of `benchmarks/harmonise/`; `dev.csv` stands for the 547 real series descriptions.

- `phases.py --exams 600` (adversarial exams): macro-F1 0.944, delayed F1 0.919, wrong 0.17 %,
  abstained 9.4 %; of tier C 511 of 511 right. Exams of CT in which nothing but pauses spoke of
  contrast are counted apart: 0 of their 61 parts are named.
- `phases.py --exams 600 --first-seed 500000` (held out): macro-F1 0.946, delayed F1 0.916, wrong
  0.34 %; of tier C 536 of 536 right; of silent exams 0 of 50 parts named.
- `phases.py --exams 1000 --first-seed 900000` (held out): macro-F1 0.944, delayed F1 0.904, wrong
  0.26 %; of tier C 877 of 878 right. With silent exams counted as missed 0.936 and 0.899; what is
  missed is told in `benchmarks/harmonise/before_and_after.md`. No part that was right or open with
  rules 1.2.0 is wrong now.
- `cast.py` (exams that grew with the rules): 208 of 208 series right or rightly open, 51 of 51 of
  tier C. Of rules 1.2.0: 130 right, 16 open, 62 wrong; 56 of 91 of tier C right.
- `cast.py cast_from_literature.csv` (119 exams, on record before the rules saw them). First run:
  531 of 537 named series right, and CT phase, at 147 of 152, below 99 % in tier B; now 636 of 636.
  Tier C, first run: 84 of 84 right. Inference from gaps (tier C) is accepted because its precision
  is at least 99 % on all of these.
- `strings.py dev.csv --half held-out`, before anybody had looked at its rows: 165 right, 9
  abstained, 1 wrong; of the 90 ambiguous 1 labelled. They have been looked at since: 169 right,
  6 abstained, none wrong.
- `strings.py dev.csv --half looked-at`: 191 right, 2 abstained, none wrong; of the 89 ambiguous
  none labelled.
- `thickness.py`: 34 of 34 decisions on thickness and field strength.
- `speed.py --strings dev.csv`, processor time of one process, 100 000 strings that are all new,
  made from the real ones: 79 000/s (varied), 215 000/s (only numbered), 39 000/s (the words of two
  descriptions shuffled); 260 000/s where they repeat as in a cohort. 2 600 series/s from header
  features; the rules with all their examples are read anew in 0.2 s.
- `speed.py --folder DICOM` (882 real files, 54 of them read by the full parser): 0.95 to 0.98 ms of
  user and system time a file.

"""
_ELIGIBILITY_HEAD = """# Eligibility

Who is eligible, and why not. Made by `make docs`; `livercohort rules eligibility` prints the
same. The rules stand in `data_contracts/protocol/`. A criterion is met, not met or undetermined;
for exclusions `pass` means not excluded. Any `fail` makes a subject ineligible, else anything
undetermined leaves the subject undetermined, and a criterion nobody looked at is undetermined.
Partial dates count as every day they may be. A decision is signed in `decisions.csv` by
`decided_by`, `date` and `document` together; its `option_chosen` then takes the words of one of
the alternatives.

"""


def documents() -> dict[Path, str]:
    """Return path → text of every page that is generated, whole or in part."""
    manual, manager = DOCS / "deidentification.md", DOCS / "data_manager.md"
    return {
        DOCS / "cli.md": render_commands(),
        DOCS / "labels.md": _LABELS_HEAD
        + _LABELS_HOW
        + render_explained_labels()
        + "\n"
        + _one_level_down(render_label_rules_markdown()),
        DOCS / "conformance.md": render_conformance(),
        DOCS / "eligibility.md": _ELIGIBILITY_HEAD + _without_title(render_protocol_markdown()),
        manual: _with_rules(manual.read_text(encoding="utf-8")),
        manager: _with_reasons(manager.read_text(encoding="utf-8")),
        DOCS.parent / "prefect.yaml": prefect_yaml(),
    }


def _without_title(text: str) -> str:
    return text.partition("\n\n")[2]


def render_commands() -> str:
    """Return the help of every command as plain text of fixed width."""
    root: Any = typer.main.get_command(app)
    sections = [f"## {name}\n\n```text\n{text}\n```\n" for name, text in _helps(root)]
    return "\n".join([_CLI_HEAD, *sections])


def render_reasons() -> str:
    """Return the reasons for setting a file aside as a Markdown table."""
    rows = [f"| `{code.value}` | {words} |\n" for code, words in REASONS.items()]
    return "| reason | what it means |\n|---|---|\n" + "".join(rows)


def _helps(command: Any, parent: Any = None) -> Iterator[tuple[str, str]]:
    # Without a markup mode typer prints plain text, the same on every terminal.
    command.rich_markup_mode = None
    # \b keeps the examples one per line.
    command.help = re.sub(r"(?m)^(Example:)", r"\b\n\1", command.help or "", count=1)
    context = command.context_class(
        command,
        parent=parent,
        info_name="livercohort" if parent is None else command.name,
        terminal_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )
    yield context.command_path, command.get_help(context)
    for name in getattr(command, "commands", {}):
        yield from _helps(command.commands[name], context)


def _one_level_down(markdown: str) -> str:
    return re.sub(r"(?m)^# ", "## ", re.sub(r"(?m)^## ", "### ", markdown))


def _with_rules(manual: str) -> str:
    return manual[: manual.index(_RULES_BEGIN)] + render_rules_markdown()


def _with_reasons(page: str) -> str:
    before, rest = page.split(_REASONS_BEGIN)
    _, after = rest.split(_REASONS_END)
    return f"{before}{_REASONS_BEGIN}\n{render_reasons()}\n{_REASONS_END}{after}"


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
