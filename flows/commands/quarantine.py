"""Commands of the review desk: what is held, and what people decide about it."""

from __future__ import annotations

import datetime as dt
from functools import partial
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
)
from schemas.errors import BadInputError
from schemas.run.settings import Settings, apply_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.desk.decide import Request

quarantine_app = typer.Typer(
    help="What is held, and what people decide about it.", no_args_is_help=True
)

HoldArgument = Annotated[str, typer.Argument(metavar="ID", help="As `quarantine list` prints it.")]
ReviewerOption = Annotated[
    str, typer.Option("--reviewer", help="Your reviewer code, e.g. QC01; never a name.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why, without names and numbers of persons.")
]
RuleOption = Annotated[
    bool,
    typer.Option(
        "--rule-for-device", help="Also decide what this scanner writes in the same place."
    ),
]
UntilOption = Annotated[
    str, typer.Option("--until", metavar="DATE", help="Last day of the rule, YYYY-MM-DD.")
]
BoxOption = Annotated[
    list[str], typer.Option("--box", help="x,y,width,height in pixels, from the top left; repeat.")
]
_SHOWN = ("hold_id", "site_code", "state", "reason_code", "subject_id", "files", "actions")


@quarantine_app.callback()
def about() -> None:
    """Decide about what is held."""


@quarantine_app.command("list")
def list_holds(
    site: Annotated[str | None, typer.Argument(help="One site; else all.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also what was decided and taken in.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """List what is held, by what can be done about it; without --all what is still open.

    Example: livercohort quarantine list S91
    Example: livercohort quarantine list --all --csv
    """
    from tasks.desk.listing import COLUMNS, rows_of

    rows = rows_of(_desks(apply_environment(home=home), site), every=every)
    give_rows(
        rows,
        as_json=as_json,
        as_csv=as_csv,
        out=out,
        title="held",
        columns=COLUMNS,
        shown=_SHOWN,
    )


@quarantine_app.command("show")
def show(hold_id: HoldArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show one hold: why, where something was seen, what can be done, what was decided.

    Example: livercohort quarantine show 0123456789abcdef
    """
    from tasks.desk.listing import facts_of
    from tasks.desk.store_decide import find_hold

    desks = _desks(apply_environment(home=home), None)
    hold, _ = find_hold(desks, hold_id)
    facts = facts_of(hold, next(desk for desk in desks if hold in desk.holds))
    if as_json:
        say_json(facts)
        return
    for name, value in facts.items():
        if isinstance(value, list):
            say(f"{name}:{'' if value else ' none'}")
            for one in value:
                say(f"  {', '.join(f'{k} {v}' for k, v in one.items())}")
        else:
            say(f"{name}: {value}")


@quarantine_app.command("accept")
def accept(
    hold_id: HoldArgument,
    reviewer: ReviewerOption,
    reason: ReasonOption,
    rule_for_device: RuleOption = False,
    until: UntilOption = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept what is held: the next ingest of the site takes it in as if it were new.

    Of files that are held for another cause than their pixels it means: try again now.

    Example: livercohort quarantine accept 0123456789abcdef --reviewer QC01 --reason "side letter"
    """
    request = _request(hold_id, "accept", reviewer, reason, until=_rule(rule_for_device, until))
    _decide(apply_environment(home=home), [request], as_json=as_json)


@quarantine_app.command("reject")
def reject(
    hold_id: HoldArgument,
    reviewer: ReviewerOption,
    reason: ReasonOption,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reject what is held: it stays aside for good, also when the same comes again.

    Example: livercohort quarantine reject 0123456789abcdef --reviewer QC01 --reason "dose screen"
    """
    request = _request(hold_id, "reject", reviewer, reason)
    _decide(apply_environment(home=home), [request], as_json=as_json)


@quarantine_app.command("mask")
def mask(
    hold_id: HoldArgument,
    reviewer: ReviewerOption,
    reason: ReasonOption,
    box: BoxOption,
    rule_for_device: RuleOption = False,
    until: UntilOption = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mask boxes on every slice: the next ingest takes the masked images in as if they were new.

    Example: livercohort quarantine mask 0123456789abcdef --box 10,12,150,24 --reviewer QC01
    --reason "name in the corner" --rule-for-device --until 2027-06-30
    """
    from tasks.desk.decide import read_box

    boxes = tuple(read_box(text) for text in box)
    last = _rule(rule_for_device, until)
    request = _request(hold_id, "mask", reviewer, reason, boxes=boxes, until=last)
    _decide(apply_environment(home=home), [request], as_json=as_json)


@quarantine_app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="As the review page downloaded it.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in the decisions of a review page: all of a file, or nothing.

    What is held must be as it was when it was looked at.

    Example: livercohort quarantine import quarantine_QC01_2026-11-20.json
    """
    from tasks.desk.store_decide import read_requests

    _decide(apply_environment(home=home), read_requests(file), as_json=as_json)


@quarantine_app.command("page")
def page(
    site: Annotated[str | None, typer.Argument(help="One site; else all.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the review page in restricted/review_desk: pictures, boxes, keys; opens from disk.

    Example: livercohort quarantine page
    """
    from flows.withdrawals import nobody_withdraws
    from schemas.vault.keys import read_key_file
    from tasks.desk.store_page import write_page

    settings = apply_environment(home=home)
    ring = read_key_file(settings.master_key_file)
    with nobody_withdraws(settings.zones) as still:
        built = write_page(settings.zones, ring, _desks(settings, site), at_last=still)
    if as_json:
        say_json({"page": str(built.index), "holds": built.holds, "pictures": built.pictures})
    else:
        say(f"{built.holds} holds to decide, {built.pictures} pictures: {built.index}")
        say("Identifiable: open it where it lies; it is made anew by every call.")


def _desks(settings: Settings, site: str | None) -> Any:
    from schemas.run.sites import site_code
    from schemas.vault.keys import read_key_file
    from tasks.desk.store_decide import open_desks

    ring = read_key_file(settings.master_key_file)
    return open_desks(settings.zones, ring, site_code(site) if site else None)


def _rule(rule_for_device: bool, until: str) -> dt.date | None:
    if rule_for_device != bool(until):
        raise BadInputError(
            "--rule-for-device and --until belong together",
            expected="both, or neither",
            hint="A rule for a device ends on a day: --rule-for-device --until 2027-06-30",
        )
    if not until:
        return None
    try:
        return dt.date.fromisoformat(until)
    except ValueError:
        raise BadInputError("the last day cannot be read", expected="YYYY-MM-DD") from None


def _request(hold_id: str, outcome: str, reviewer: str, reason: str, **more: Any) -> Request:
    from schemas.pixel_decisions import Outcome
    from tasks.desk.decide import Request

    decided = Outcome(outcome)
    return Request(hold_id=hold_id, outcome=decided, reviewer=reviewer, reason=reason, **more)


def _decide(settings: Settings, requests: Sequence[Request], *, as_json: bool) -> None:
    from schemas.hospital_day import hospital_today
    from schemas.vault.keys import read_key_file
    from tasks.deidentify.search.store_scan_release import require_nobody_in
    from tasks.desk.store_decide import decide

    decided = decide(
        settings.zones,
        read_key_file(settings.master_key_file),
        requests,
        search=partial(require_nobody_in, settings),
        today=hospital_today(),
    )
    rows = [
        {
            "hold_id": one.hold_id,
            "site_code": one.site,
            "outcome": str(one.outcome),
            "decision_id": one.decision_id,
            "new": new,
        }
        for one, new in decided
    ]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        told = "" if row["new"] else " (stood there already)"
        say(f"{row['hold_id']} {row['outcome']}{told}")
    sites = sorted({one.site for one, _ in decided})
    say(f"Taken in, as far as accepted or masked, by: livercohort ingest {' '.join(sites)}")
