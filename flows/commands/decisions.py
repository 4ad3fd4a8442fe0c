"""Commands about the decision register: what is open, what runs, and who signed it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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

decisions_app = typer.Typer(
    no_args_is_help=True, help="What the protocol leaves open, and who decided it."
)
_COLUMNS = (
    "decision_id",
    "criterion",
    "question",
    "number",
    "option",
    "computed",
    "in_force",
    "decided_by",
    "date",
    "document",
)


@decisions_app.command("list")
def list_decisions(
    home: HomeOption = None,
    history: Annotated[
        bool, typer.Option("--history", help="Every signature of this home, oldest first.")
    ] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """List each decision with its options; the one in force and who signed it.

    Without a signature the proposal, option 1, is in force.

    Example: livercohort decisions list
    """
    from schemas.protocol import read_protocol, read_register
    from schemas.signatures import COLUMNS, option_texts, signed_register

    _, signatures = _signed(home)
    if history:
        rows: list[dict[str, Any]] = [vars(signature) for signature in signatures]
        give_rows(
            rows, as_json=as_json, as_csv=as_csv, out=out, title="Signatures", columns=COLUMNS
        )
        return
    register = read_register(_register_file())
    signed = {one.decision_id: one for one in signed_register(register, signatures)}
    computed = {option.decision for option in read_protocol().options}
    rows = []
    for decision in register:
        now = signed[decision.decision_id]
        for number, text in enumerate(option_texts(decision), start=1):
            chosen = text == now.option_chosen
            rows.append(
                {
                    "decision_id": decision.decision_id,
                    "criterion": decision.criterion,
                    "question": decision.question,
                    "number": number,
                    "option": text,
                    "computed": decision.decision_id in computed or number == 1,
                    "in_force": chosen,
                    "decided_by": now.decided_by if chosen else "",
                    "date": now.date if chosen else "",
                    "document": now.document if chosen else "",
                }
            )
    give_rows(
        rows,
        as_json=as_json,
        as_csv=as_csv,
        out=out,
        title="Decisions",
        columns=_COLUMNS,
        shown=("decision_id", "criterion", "number", "option", "in_force", "decided_by"),
    )


@decisions_app.command("sign")
def sign_decision(
    decision_id: Annotated[str, typer.Argument(help="Decision, e.g. D05.")],
    option: Annotated[str, typer.Option(help="Number of the option in the list, or its words.")],
    by: Annotated[str, typer.Option(help="Short code of the person who decided.")],
    document: Annotated[str, typer.Option(help="Document that holds the decision.")],
    date: Annotated[
        str | None, typer.Option(help="Day of the decision, YYYY-MM-DD; today if left out.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a decision: its option is in force from the next release on, which says what changed.

    Earlier signatures stay in the history.

    Example: livercohort decisions sign D05 --option 2 --by PI-01 --document "minutes 2027-01-12"
    """
    from flows.free_text import require_clean_texts
    from schemas.hospital_day import hospital_today
    from schemas.protocol import options_in_force, read_protocol, read_register
    from schemas.run.atomic_files import write_bytes
    from schemas.run.settings import read_settings
    from schemas.signatures import (
        make_signature,
        option_texts,
        render_signatures,
        signed_register,
    )

    zones, signatures = _signed(home)
    require_clean_texts(read_settings(), {"--by": by}, {"--document": document})
    register = read_register(_register_file())
    decision = next((one for one in register if one.decision_id == decision_id), None)
    if decision is None:
        raise BadInputError(
            "there is no such decision",
            expected=", ".join(one.decision_id for one in register),
        )
    wanted = option
    own = {o.id: o.text for o in read_protocol().options if o.decision == decision_id}
    signature = make_signature(
        decision,
        option_texts(decision),
        own.get(wanted, wanted),
        by=by,
        date=date or hospital_today().isoformat(),
        document=document,
    )
    signed = (*signatures, signature)
    # Refused here rather than by the next release: an option that nobody can compute yet.
    options_in_force(read_protocol(), signed_register(register, signed))
    write_bytes(zones.signatures, render_signatures(signed).encode("utf-8"))
    if as_json:
        say_json(vars(signature))
    else:
        say(
            f"{decision_id}: in force from the next release on: {signature.option_chosen}. "
            f"Signed by {by}."
        )


def _register_file() -> Path:
    from schemas.package_data import data_contracts_dir

    return data_contracts_dir() / "protocol" / "decisions.csv"


def _signed(home: Path | None) -> Any:
    """Return the zones of a home and what was signed in it."""
    from flows.signed_tables import read_signatures
    from schemas.run.settings import apply_environment, read_settings

    apply_environment(home=home)
    zones = read_settings().zones
    return zones, read_signatures(zones)
