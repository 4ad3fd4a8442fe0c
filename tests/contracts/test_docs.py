"""The manual says what the code does: generated parts are current, its queries run."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer

from flows.cli import app
from tasks.publish.store import build_release
from tests.unit.publish.cohort import make_cohort, make_facts, make_sources

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
GENERATED: dict[Path, str] = runpy.run_path(str(DOCS / "make_docs.py"))["documents"]()
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_COMMAND = re.compile(
    r"(?:^|(?<!from)[\s`/])livercohort ([a-z][a-z-]*)((?: [^\n#`|;]*)?)", re.MULTILINE
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def queries() -> list[tuple[str, str]]:
    """Return every SQL block of the manual with the name of its place."""
    found: list[tuple[str, str]] = []
    for page in PAGES:
        blocks = [text for kind, text in _BLOCK.findall(page.read_text("utf-8")) if kind == "sql"]
        found += [(f"{page.name}-{number}", text) for number, text in enumerate(blocks, start=1)]
    return found


def commands() -> Iterator[tuple[str, str, str]]:
    """Return (page, command, arguments) wherever the manual shows a command."""
    for page in PAGES:
        if page.name != "cli.md":
            for code in _CODE.findall(page.read_text("utf-8")):
                for name, arguments in _COMMAND.findall(code):
                    yield page.name, name, arguments


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small release, in the form an analyst gets."""
    home, tables = tmp_path_factory.mktemp("docs"), make_cohort()
    result = build_release(
        tables,
        releases_dir=home / "releases",
        nifti_sources=make_sources(home / "warehouse", tables),
        facts=make_facts(),
        bump="auto",
    )
    assert result.path is not None
    return result.path


@pytest.fixture
def ask(release: Path) -> Iterator[Callable[[str], list[tuple[object, ...]]]]:
    """Run a query on the release as an analyst opens it."""
    with duckdb.connect(str(release / "cohort.duckdb"), read_only=True) as cohort:
        yield lambda sql: cohort.execute(sql).fetchall()


@pytest.mark.parametrize("page", GENERATED, ids=name_of)
def test_generated_parts_of_the_manual_are_current(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == GENERATED[page], "run: make docs"


@pytest.mark.parametrize(("place", "sql"), queries(), ids=[place for place, _ in queries()])
def test_every_query_of_the_manual_runs(
    ask: Callable[[str], list[tuple[object, ...]]], place: str, sql: str
) -> None:
    statements = [part for part in sql.split(";\n") if part.strip()]
    assert statements
    for statement in statements:
        ask(statement)


def test_the_analysts_page_finds_files_and_the_release(
    ask: Callable[[str], list[tuple[object, ...]]], release: Path
) -> None:
    text = (DOCS / "analyst.md").read_text(encoding="utf-8")
    found = [sql for kind, sql in _BLOCK.findall(text) if kind == "sql"]
    (citation,) = [sql for sql in found if "content_hash" in sql]
    assert ask(citation)[0][0] == "livercohort:1.0.0"
    assert len(ask("SELECT subject_id FROM analysis_set")) == 2
    for (path,) in ask("SELECT rel_path FROM nifti_volume"):
        assert (release / str(path)).is_file()


def test_the_python_of_the_analysts_page_opens_a_release(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DOCS / "analyst.md").read_text(encoding="utf-8")
    with_sql, alone = [code for kind, code in _BLOCK.findall(text) if kind == "python"]
    (tmp_path / "var" / "releases").mkdir(parents=True)
    (tmp_path / "var" / "releases" / "latest").symlink_to(release)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(with_sql, "analyst.md", "exec"), names)
    names["cohort"].close()
    assert names["image"].shape == (4, 3, 2)
    # The small release has an arterial phase alone.
    exec(compile(alone.replace("MR_T1_HBP", "MR_T1_ART"), "analyst.md", "exec"), names)
    assert names["volume"].array.shape == (4, 3, 2)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_to_a_file_of_ours_leads_somewhere(page: Path) -> None:
    prose = _CODE.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose)
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_command_shown_in_the_manual_exists_with_its_options() -> None:
    root = typer.main.get_command(app)
    known = getattr(root, "commands", {})
    shown = list(commands())
    assert {"ingest", "release", "verify", "doctor"} <= {name for _, name, _ in shown}
    for page, name, arguments in shown:
        assert name in known, f"{page}: livercohort {name}"
        command = known[name]
        inner = getattr(command, "commands", {}).get((arguments.split() or [""])[0], command)
        options = {o for p in inner.params for o in (*p.opts, *p.secondary_opts)}
        assert set(re.findall(r"--[a-z-]+", arguments)) <= options, f"{page}: {name} {arguments}"


def test_the_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = getattr(typer.main.get_command(app), "commands", {})
    assert all(re.search(rf"`{name}[ `]", text) for name in names)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_manual_names_no_machine_of_ours(page: Path) -> None:
    assert not re.search(r"/work/|/home/\w|/root/", page.read_text(encoding="utf-8"))
