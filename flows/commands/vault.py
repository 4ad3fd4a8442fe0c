"""Commands about the vault: the logged look-up of a person, and a new secret for the vault.

Nothing here passes through the scheduler: what a look-up returns stands on the terminal only.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import fields
from typing import Annotated

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


def reidentify(
    subject: Annotated[str | None, typer.Argument(help="The pseudonym, e.g. S91-ABCD2345.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the log.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who asks, beside the system's user.")] = "",
    check_log: Annotated[
        bool, typer.Option("--check-log", help="Check the log of look-ups and print it instead.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """Look a person up in the vault; who asks, when and why is logged before anything shows.

    Example: livercohort reidentify S91-ABCD2345 --reason "incidental finding, letter 7"
    Example: livercohort reidentify --check-log
    """
    settings = apply_environment(home=home)
    if check_log == bool(subject or reason or by):
        raise BadInputError(
            "a look-up needs a subject and a reason; --check-log takes neither",
            hint="See `livercohort reidentify --help`.",
        )
    if check_log:
        from schemas.vault.look_ups import LookUp

        rows = _read_log(settings)
        give_rows(
            rows,
            as_json=as_json,
            as_csv=as_csv,
            out=out,
            title="look-ups, unbroken",
            columns=[field.name for field in fields(LookUp)],
        )
        return
    if as_csv or out is not None:
        raise BadInputError("what a look-up returns is not written to a file")
    from flows.free_text import require_clean_texts

    require_clean_texts(settings, {"--reason": reason, "--by": by})
    found = _look_up(settings, subject or "", reason, by)
    if as_json:
        say_json(found)
        return
    for name, value in found.items():
        say(f"{name:<17}{', '.join(value) if isinstance(value, list) else value}")


def rotate_key(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Seal the vault and all sealed files with a new secret; nights and releases must wait.

    Example: livercohort key rotate --home /data/livercohort
    """
    from schemas.run.sites import read_sites
    from schemas.vault.keys import read_key_file
    from schemas.vault.rotation import rotate_vault_secret
    from tasks.receive.store_lease import lease

    settings = apply_environment(home=home)
    read_key_file(settings.master_key_file)  # without one nothing is touched, not even a lease
    with ExitStack() as held:
        for name in ("release", *(site.code for site in read_sites())):
            held.enter_context(lease(settings.zones, name))
        done = rotate_vault_secret(settings.master_key_file, settings.zones)
    if as_json:
        say_json(done.__dict__)
        return
    say(f"{done.vault_fields} fields of the vault and {done.files} files are sealed anew")
    say(f"with secret {done.version}; the old one opens nothing any more.")
    say(f"Back up {settings.master_key_file} again: older copies do not open the vault.")


def check_key(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Open everything that is sealed with the key, and check the log of look-ups.

    Example: livercohort key check --home /data/livercohort
    """
    from schemas.vault.keys import read_key_file
    from schemas.vault.rotation import check_sealed

    settings = apply_environment(home=home)
    ring = read_key_file(settings.master_key_file)
    sealed = check_sealed(ring, settings.zones)
    facts = {
        "key_id": ring.key_id,
        "secret_version": sealed.version,
        "vault_fields": sealed.vault_fields,
        "files": sealed.files,
        "look_ups": len(_read_log(settings)),
    }
    if as_json:
        say_json(facts)
    else:
        say(f"Key {ring.key_id}, secret {sealed.version}: {sealed.vault_fields} fields of the")
        say(f"vault and {sealed.files} files open; {facts['look_ups']} look-ups, log unbroken.")


def _look_up(settings: Settings, subject: str, reason: str, by: str) -> dict[str, object]:
    import os
    import pwd

    from schemas.identifiers import SubjectId
    from schemas.vault.keys import read_key_file
    from schemas.vault.look_ups import look_up_subject
    from schemas.vault.subjects import Vault

    vault = Vault(settings.zones.vault, read_key_file(settings.master_key_file))
    user = pwd.getpwuid(os.getuid()).pw_name  # not from the environment, which anybody can set
    asker = f"{user} ({by})" if by else user
    head = settings.zones.look_up_head
    found = look_up_subject(
        vault, head, SubjectId(subject.strip().upper()), reason=reason, by=asker
    )
    return {
        "subject": found.subject_id,
        "site": found.site,
        "study_subject_no": found.subject_no,
        "patient_ids": list(found.patient_ids),
        "shift_days": found.shift_days,
    }


def _read_log(settings: Settings) -> list[dict[str, object]]:
    from schemas.vault.keys import read_key_file
    from schemas.vault.look_ups import read_log
    from schemas.vault.subjects import Vault

    vault = Vault(settings.zones.vault, read_key_file(settings.master_key_file))
    entries = read_log(vault, settings.zones.look_up_head)
    return [{**entry.__dict__, "returned": list(entry.returned)} for entry in entries]
