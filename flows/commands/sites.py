"""Commands about sites: their files, and the deployments made from them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.console import CsvOption, HomeOption, JsonOption, OutOption, give_rows, say
from schemas.errors import BadInputError, EnvironmentProblemError, ExitCode
from schemas.run.settings import apply_environment

site_app = typer.Typer(no_args_is_help=True, help="Which sites may deliver, and when.")

_TEMPLATE = """\
# {name_en}: may deliver since the approval below is on record.
code: {code}
fictitious: false
name_en: {name_en}
name_zh: {name_zh}
province_en: {province_en}
province_zh: {province_zh}
level_zh: {level_zh}
ethics_ref: {ethics_ref}
ethics_date: {ethics_date}
ethics_reason: {ethics_reason}
amendment_ref: {amendment_ref}
patient_id_is_subject_no: {patient_id_is_subject_no}
quiet_minutes: {quiet_minutes}
schedule:
  cron: {cron}
  timezone: Asia/Shanghai
expected:
  every_days: {every_days}
  grace_days: {grace_days}
  since: {since}
"""
#: What somebody may type a name into.
_REFERENCES = ("ethics_ref", "ethics_reason", "amendment_ref")
_COLUMNS = ("site_code", "state", "schedule", "expected", "name_zh", "waits_because")


@site_app.command("add")
def add_site(
    code: Annotated[str, typer.Argument(help="Site code, e.g. S01.")],
    ethics_ref: Annotated[str | None, typer.Option(help="Number of the approval.")] = None,
    ethics_date: Annotated[str | None, typer.Option(help="Its day, YYYY-MM-DD.")] = None,
    ethics_reason: Annotated[str | None, typer.Option(help="Which document says so.")] = None,
    cron: Annotated[
        str | None, typer.Option(help='When its night runs, e.g. "45 1 * * *".')
    ] = None,
    every_days: Annotated[int | None, typer.Option(help="How often it delivers.")] = None,
    grace_days: Annotated[int, typer.Option(help="Days until a delivery counts as late.")] = 3,
    quiet_minutes: Annotated[int, typer.Option(help="Unchanged so long means complete.")] = 30,
    patient_id_is_subject_no: Annotated[
        bool, typer.Option(help="The PatientID in its images is the study number.")
    ] = False,
    name_en: Annotated[str | None, typer.Option(help="If not registered.")] = None,
    name_zh: Annotated[str | None, typer.Option(help="If not registered.")] = None,
    province_en: Annotated[str | None, typer.Option(help="If not registered.")] = None,
    province_zh: Annotated[str | None, typer.Option(help="If not registered.")] = None,
    level_zh: Annotated[str | None, typer.Option(help="If not registered.")] = None,
    amendment_ref: Annotated[str | None, typer.Option(help="If not registered.")] = None,
) -> None:
    """Write the file of a site from what is registered and what is given; ask for the rest.

    Example: livercohort site add S01 --ethics-ref 2026-KY-001 --ethics-date 2026-03-01
    """
    from flows.free_text import require_clean_texts
    from schemas.hospital_day import hospital_today
    from schemas.run.atomic_files import write_bytes
    from schemas.run.settings import read_settings
    from schemas.run.site_files import parse_site_file
    from schemas.run.sites import is_fictitious, is_site_code, read_registered_sites, site_file_of

    if not is_site_code(code) or is_fictitious(code):
        raise BadInputError("this is not the code of a hospital", expected="S01 to S90")
    path = site_file_of(code)
    if path.exists():
        raise BadInputError(
            "this site has a file already", where=str(path), hint="Edit it, then: site check"
        )
    record = next((one for one in read_registered_sites() if one.site_code == code), None)
    names = {
        "name_en": name_en, "name_zh": name_zh, "province_en": province_en,
        "province_zh": province_zh, "level_zh": level_zh,
    }  # fmt: skip
    facts: dict[str, Any] = {
        "ethics_ref": ethics_ref, "ethics_date": ethics_date, "ethics_reason": ethics_reason,
        "cron": cron, "every_days": every_days,
    }  # fmt: skip
    if record is None:
        facts |= names | {"amendment_ref": amendment_ref}
    else:
        facts |= {name: getattr(record, name) for name in names} | {"amendment_ref": ""}
    facts = _asked(facts)
    typed = {f"--{name.replace('_', '-')}": str(facts[name]) for name in _REFERENCES}
    require_clean_texts(read_settings(), {}, typed)
    written = {
        name: value if name == "ethics_date" else _quoted(value) for name, value in facts.items()
    }
    text = _TEMPLATE.format(
        **written,
        code=code,
        grace_days=grace_days,
        quiet_minutes=quiet_minutes,
        patient_id_is_subject_no=str(patient_id_is_subject_no).lower(),
        since=hospital_today().isoformat(),
    )
    site, problems = parse_site_file(text)
    problems += _against_the_record(text, code) if site is not None else []
    if problems:
        raise BadInputError(f"no file was written: {'; '.join(problems)}", where=code)
    _write(path, text, write_bytes)
    say(f"{path} written. Next: livercohort site check {code}, then livercohort deploy")


def _write(path: Path, text: str, write: Any) -> None:
    try:
        write(path, text.encode("utf-8"))
    except OSError as error:
        raise EnvironmentProblemError(
            f"the file cannot be written: {error.strerror}", where=str(path)
        ) from None


def _against_the_record(text: str, code: str) -> list[str]:
    from schemas.run.sites import check_site_file

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{code}.yaml")
        path.write_text(text, encoding="utf-8")
        return check_site_file(path)[1]


def _asked(facts: dict[str, Any]) -> dict[str, Any]:
    """Ask for what is missing on a terminal; without one, name all of it."""
    missing = [name for name, value in facts.items() if value is None]
    if missing and not sys.stdin.isatty():
        options = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise BadInputError(f"not everything is known: {options}", expected="a value for each")
    return facts | {name: typer.prompt(name.replace("_", " ")) for name in missing}


def _quoted(value: object) -> str:
    import json

    text = str(value)
    return text if text.isascii() and text.isdigit() else json.dumps(text, ensure_ascii=False)


@site_app.command("check")
def check_sites(
    code: Annotated[str | None, typer.Argument(help="One site; all files without it.")] = None,
) -> None:
    """Read site files as a night would; say what is wrong, field by field.

    Example: livercohort site check S01
    """
    from schemas.package_data import data_contracts_dir
    from schemas.run.sites import check_site_file, site_file_of

    folder = data_contracts_dir() / "sites"
    paths = [site_file_of(code)] if code else sorted(folder.glob("[SX]*.yaml"))
    if code and not paths[0].is_file():
        raise BadInputError(
            "this site has no file", where=code[:8], hint="livercohort site add CODE makes one."
        )
    wrong = 0
    minutes: dict[tuple[str, str], str] = {}
    for path in paths:
        site, problems = check_site_file(path)
        if site is not None and site.schedule is not None:
            other = minutes.setdefault((site.schedule.cron, site.schedule.timezone), site.code)
            if other != site.code:
                problems = [*problems, f"schedule is that of {other}: nights start one by one"]
        for problem in problems:
            say(f"{path.name}: {problem}")
        wrong += bool(problems)
    say(f"{len(paths)} site files read, {wrong} with problems")
    if wrong:
        raise typer.Exit(ExitCode.BLOCKED)


@site_app.command("list")
def list_sites(
    as_json: JsonOption = False, as_csv: CsvOption = False, out: OutOption = None
) -> None:
    """Print registered hospitals and site files: who may deliver, when, and why others wait.

    Example: livercohort site list
    """
    give_rows(
        _site_rows(), as_json=as_json, as_csv=as_csv, out=out, title="Sites", columns=_COLUMNS
    )


def _site_rows() -> list[dict[str, str]]:
    from schemas.package_data import data_contracts_dir
    from schemas.run.sites import check_site_file, read_registered_sites, why_waiting

    registered = {one.site_code: one.name_zh for one in read_registered_sites()}
    files = {path.stem: path for path in (data_contracts_dir() / "sites").glob("[SX]*.yaml")}
    rows = []
    for code in sorted(registered.keys() | files.keys()):
        site, problems = check_site_file(files[code]) if code in files else (None, [])
        waits = "; ".join(problems) or why_waiting(code)
        expected = site.expected if site else None
        rows.append(
            {
                "site_code": code,
                "state": "waits" if waits else "may deliver",
                "schedule": site.schedule.cron if site and site.schedule else "",
                "expected": f"every {expected.every_days} days" if expected else "",
                "name_zh": site.name_zh if site else registered.get(code, ""),
                "waits_because": waits,
            }
        )
    return rows


def deploy(
    home: HomeOption = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print prefect.yaml and change nothing.")
    ] = False,
) -> None:
    """Put one deployment per scheduled site on the server of PREFECT_API_URL.

    Example: livercohort deploy
    """
    from flows.deployments import WORK_POOL, prefect_yaml, project_root

    apply_environment(home=home)
    text = prefect_yaml()
    if only_print:
        sys.stdout.write(text)
        return
    if not os.environ.get("PREFECT_API_URL"):
        raise EnvironmentProblemError(
            "no server is named",
            expected="PREFECT_API_URL (and PREFECT_API_AUTH_STRING where it has a password)",
            hint="docs/operations.md says how a server is set up.",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "prefect.yaml")
        path.write_text(text, encoding="utf-8")
        _make_work_pool(WORK_POOL)
        _prefect(project_root(), "deploy", "--all", "--prefect-file", str(path))
    names = [line.split(":")[1].strip() for line in text.splitlines() if "- name:" in line]
    say(f"{len(names)} deployments are on the server: {', '.join(names)}")


def _make_work_pool(name: str) -> None:
    import httpx

    from flows.work_pool import ensure_work_pool

    try:
        ensure_work_pool(name)
    except (httpx.HTTPError, OSError, RuntimeError):
        raise EnvironmentProblemError(
            "the server does not answer, or not to this password",
            where="PREFECT_API_URL, PREFECT_API_AUTH_STRING",
            hint="docs/operations.md says how a server is set up.",
        ) from None


def _prefect(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    ended = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        last = (ended.stderr.strip() or ended.stdout.strip()).splitlines()[-1:]
        raise EnvironmentProblemError(
            f"the server did not take it: {' '.join(last)}",
            where=f"prefect {arguments[0]}",
            hint="Check PREFECT_API_URL and PREFECT_API_AUTH_STRING with `livercohort doctor`.",
        )
