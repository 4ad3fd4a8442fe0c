"""Commands of the cohort: release, verify, diff, report."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.console import (
    CsvOption,
    HomeOption,
    JsonOption,
    OutOption,
    give_rows,
    say,
    say_json,
    show_progress,
)
from flows.commands.night import prepare_home, require_signed_tables
from schemas.errors import BadInputError, EnvironmentProblemError, ExitCode, LivercohortError
from schemas.run.settings import Settings, apply_environment

if TYPE_CHECKING:
    import pyarrow as pa

_PROOF_COLUMNS = ("rule_id", "severity", "object", "observed", "expected", "message")
LATEST = "latest"
_BUMPS = ("auto", "major", "minor", "patch")


def release(
    bump: Annotated[str, typer.Option(help="auto, major, minor or patch.")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would be.")] = False,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Hash every image anew, not only what changed.")
    ] = False,
    accept_gone: Annotated[
        bool,
        typer.Option("--accept-gone", help="Release though a batch of the one before is gone."),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish a new immutable cohort release, if anything changed.

    Example: livercohort release
    Example: livercohort release --dry-run --json
    """
    from flows.unchanged_release import same_again
    from schemas.vault.keys import read_key_file
    from tasks.receive.store_lease import require_free

    if bump not in _BUMPS:
        raise BadInputError(f"--bump {bump} is unknown", expected=", ".join(_BUMPS))
    settings = apply_environment(home=home)
    read_key_file(settings.master_key_file)
    asked = same_again(settings, bump=bump, dry_run=dry_run, rehash=rehash, accept_gone=accept_gone)
    result = asked.same
    if result is None:
        require_signed_tables(settings)
        prepare_home(settings)
        require_free(settings.zones, "release")
        show_progress(settings.zones.logs / "livercohort.log")
        from flows.release_cohort import release_cohort
        from schemas.run.shown_runs import shown_to_the_end

        with asked.in_hand():
            result = shown_to_the_end(
                "release",
                lambda: release_cohort(
                    bump=bump, dry_run=dry_run, rehash=rehash, accept_gone=accept_gone
                ),
            )
    if as_json:
        say_json(result)
    else:
        _say_release(settings, result)


def verify(
    release: Annotated[str, typer.Argument(help="A version, `latest`, or a release folder.")],
    home: HomeOption = None,
    identifier_scan: Annotated[
        bool,
        typer.Option(
            "--identifier-scan/--no-identifier-scan",
            help="Search for residual identifiers; needs the key.",
        ),
    ] = True,
    public_key: Annotated[
        Path | None,
        typer.Option(help="Public key of the maker, where the home's own key is not at hand."),
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """Prove a release again: signature, checksums, contracts, counts, residual identifiers.

    The signature is checked with the key of the home, or with the public key given. With neither,
    the one inside the release shows that it is of one piece, not who made it.

    Example: livercohort verify latest
    Example: livercohort verify /data/copy/1.2.0 --no-identifier-scan
    """
    from tasks.publish.store_verify import verify_release

    settings = apply_environment(home=home)
    folder = release_folder(settings, release)
    # By the name `latest`, so that one turned back to an older release is told.
    shown = settings.zones.releases / LATEST if release == LATEST else folder
    known, recorded, told = _origin(settings, public_key)
    rows: list[dict[str, Any]] = [
        {
            "rule_id": finding.rule_id,
            "severity": finding.severity.value,
            "object": f"{finding.object_type} {finding.object_id}",
            "observed": finding.observed,
            "expected": finding.expected,
            "message": finding.message_en,
        }
        for finding in verify_release(shown, known=known, recorded=recorded)
    ]
    rows += _audit_rows(settings)
    if identifier_scan:
        rows += _scan_rows(settings, folder, damaged=bool(rows))
    if as_json or as_csv or out or rows:
        give_rows(
            rows,
            as_json=as_json,
            as_csv=as_csv,
            out=out,
            title=f"release {folder.name}",
            columns=_PROOF_COLUMNS,
        )
    if not rows and not (as_json or as_csv or out):
        scanned = "no identifier found" if identifier_scan else "identifiers not searched"
        say(f"release {folder.name}: checksums, contracts, counts and sums hold; {scanned}; {told}")
    if rows:
        raise typer.Exit(ExitCode.BLOCKED)


def _audit_rows(settings: Settings) -> list[dict[str, Any]]:
    """Return what is wrong with the audits of the home's batches; none without its key."""
    from schemas.vault.keys import read_key_file
    from schemas.vault.pixel_decision_log import broken_decisions
    from tasks.deidentify.store_audit import broken_audits

    if not settings.master_key_file.is_file():
        return []
    ring = read_key_file(settings.master_key_file)
    decisions = [
        {
            "rule_id": "REL-DECISIONS",
            "severity": "blocker",
            "object": "restricted/pixel_decisions.jsonl",
            "observed": told,
            "expected": "the chain as it was kept",
            "message": "The kept decisions about held pixels were changed.",
        }
        for told in broken_decisions(settings.zones, ring)
    ]
    return decisions + [
        {
            "rule_id": "REL-AUDIT",
            "severity": "blocker",
            "object": told.partition(":")[0],
            "observed": told.partition(": ")[2],
            "expected": "the chain as it was committed",
            "message": "The audit of a batch was changed.",
        }
        for told in broken_audits(settings.zones, ring)
    ]


def _origin(
    settings: Settings, public_key: Path | None
) -> tuple[bytes | None, Mapping[str, str] | None, str]:
    """Return the public key to check with, what the home remembers, and how to say so."""
    from schemas.vault.anchors import read_anchors
    from schemas.vault.keys import read_key_file
    from tasks.publish.signature import Signer, read_public_key
    from tasks.publish.store_origin import recorded_sums

    if public_key is not None:
        try:
            return read_public_key(public_key.read_bytes()), None, "signed by the key given"
        except OSError:
            raise BadInputError("the public key cannot be read", where=str(public_key)) from None
    if not settings.master_key_file.is_file():
        return None, None, "whose signature it is was not checked: give --public-key"
    ring = read_key_file(settings.master_key_file)
    recorded = recorded_sums(read_anchors(settings.zones, ring))
    return Signer.of(ring).public, recorded, "signed by this home"


def diff(
    before: Annotated[str, typer.Argument(help="A version or a release folder.")],
    after: Annotated[str, typer.Argument(help="A version, `latest`, or a release folder.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """Say what changed between two releases; with --csv, --json or --out every row and value.

    Example: livercohort diff 1.0.0 1.1.0
    Example: livercohort diff 1.0.0 latest --out changes.parquet
    """
    from tasks.publish.documents.diff_files import summary
    from tasks.publish.documents.store_documents import summary_lines
    from tasks.publish.store import diff_releases

    settings = apply_environment(home=home)
    one, other = (release_folder(settings, name) for name in (before, after))
    found = diff_releases(one, other)
    if as_json or as_csv or out:
        rows, columns = found.rows.to_pylist(), found.rows.column_names
        give_rows(rows, as_json=as_json, as_csv=as_csv, out=out, title="changes", columns=columns)
        return
    say(f"{one.name} → {other.name}: {found.bump.value}")
    for line in summary_lines(summary(one.name, other.name, found)):
        say(f"  {line}")


def report(
    run: Annotated[str, typer.Argument(help="A release version, or `latest`.")] = "latest",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the static report of a release; one that says the same writes nothing.

    Whoever withdrew since the release was made is not shown.

    Example: livercohort report 1.0.0
    """
    from flows.withdrawals import last_look, nobody_withdraws, without_withdrawn
    from tasks.queries.ageing import report_rows
    from tasks.queries.store import read_queries
    from tasks.report.store_release import build_report, require_release

    settings = apply_environment(home=home)
    version = run.removeprefix("release-")
    require_release(settings.zones, version)
    if version == LATEST:
        _tell_if_it_lags(settings.zones.releases / LATEST)
    shown: set[str] = set()

    def keep(tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        kept = without_withdrawn(settings, tables)
        shown.update(kept["subject"]["subject_id"].to_pylist())
        return kept

    with nobody_withdraws(settings.zones) as still:
        written = build_report(
            settings.zones,
            version,
            settings.workers,
            report_rows(read_queries(settings.zones).values()),
            keep=keep,
            at_last=lambda: last_look(settings, still)(shown),
        )
    if as_json:
        say_json({"index": str(written.index), "report_sha256": written.report_sha256})
    else:
        say(f"{written.index}")
        say(f"{written.n_files} files, sha256 {written.report_sha256}")


def release_folder(settings: Settings, release: str) -> Path:
    """Return the folder of a release given by version, `latest`, path or URL.

    A release at a URL is fetched to the scratch zone and removed when the command ends.
    """
    if "://" in release:
        return _fetched(settings, release)
    named = settings.zones.releases / release
    if release == LATEST:
        _tell_if_it_lags(named)
    folder = named if named.is_dir() else Path(release)
    if not folder.is_dir():
        from tasks.publish.store import release_folders

        versions = [path.name for path in release_folders(settings.zones.releases)]
        raise BadInputError(
            f"there is no release {release}",
            where=str(settings.zones.releases),
            expected="a version, `latest`, a release folder, or a URL that ends in one",
            hint=f"There are: {', '.join(versions)}." if versions else "There is none yet.",
        )
    return folder.resolve()


def _tell_if_it_lags(latest: Path) -> None:
    """Say where `latest` is not the newest release: an erasure may have been killed."""
    from tasks.publish.store import newest_release

    newest = newest_release(latest.parent)
    if latest.is_symlink() and newest is not None and latest.resolve().name != newest.name:
        typer.echo(
            f"warning: latest points to {latest.resolve().name}, and {newest.name} is there: see "
            "`livercohort status`",
            err=True,
        )


def _fetched(settings: Settings, url: str) -> Path:
    """Fetch `s3://bucket/prefix/1.0.0?...` or `file:///place/latest`."""
    from tasks.publish.store_remote import fetch_release

    place, question, options = url.partition("?")
    parent, _, version = place.rpartition("/")
    settings.zones.work.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = Path(tempfile.mkdtemp(prefix="fetched-", dir=settings.zones.work))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    try:
        return fetch_release(parent + question + options, version, scratch)
    except OSError as error:
        raise EnvironmentProblemError(
            "the store cannot be read",
            where=place.partition("://")[0] + "://",
            hint="Check bucket, endpoint_override, scheme and the AWS_ credentials.",
        ) from error


def _scan_rows(settings: Settings, folder: Path, *, damaged: bool) -> list[dict[str, Any]]:
    from tasks.deidentify.search.store_scan_release import scan_release

    if not settings.master_key_file.is_file():
        raise EnvironmentProblemError(
            "the identifier scan needs the key, and there is none",
            where=str(settings.master_key_file),
            hint="Run it where the key is, or add --no-identifier-scan.",
        )
    try:
        hits = scan_release(settings, folder)
    except LivercohortError:
        raise
    except Exception:
        if not damaged:  # any reader may stumble over damage that the findings name already
            raise
        return [
            _identifier_row(
                "release",
                "not searched",
                "A damaged file stopped the search for residual identifiers.",
            )
        ]
    return [
        _identifier_row(
            f"file {hit.path.relative_to(folder).as_posix()}",
            f"{hit.kind} of {hit.subject_id or 'somebody'}",
            "A residual identifier stands in the release.",
        )
        for hit in hits
    ]


def _identifier_row(place: str, observed: str, message: str) -> dict[str, Any]:
    return {
        "rule_id": "REL-IDENTIFIER",
        "severity": "blocker",
        "object": place,
        "observed": observed,
        "expected": "no identifier",
        "message": message,
    }


def _say_release(settings: Settings, result: dict[str, Any]) -> None:
    version, status = result["version"], result["status"]
    if status == "unchanged":
        say(f"Nothing changed since release {version}: no new release was made.")
    elif status == "dry_run":
        say(f"A release now would be {version}. Nothing was written.")
    else:
        say(f"Release {version} published: {settings.zones.releases / str(version)}")
    if result["held"]:
        say(
            f"{result['held']} subjects are held for words of their sources: "
            "`livercohort words list` says which sites, batches and kinds."
        )
    if "pushed" in result:
        say("The store has it." if result["pushed"] else "The store had it already.")
    if "report" in result:
        say(f"Report: {settings.zones.reports / str(result['report']) / 'index.html'}")
