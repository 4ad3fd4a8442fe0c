"""Read an export without taking it in: for a site before it delivers, and for the data manager."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.console import WorkersOption, say
from schemas.errors import BadInputError, ExitCode
from schemas.run.settings import Settings, apply_environment


def check_export(
    folder: Annotated[Path, typer.Argument(help="An export as it would be delivered, or a zip.")],
    out: Annotated[Path | None, typer.Option(help="Write the page to a new .md file.")] = None,
    scratch: Annotated[
        Path | None, typer.Option(help="Where to unpack (else the temporary folder).")
    ] = None,
    workers: WorkersOption = None,
) -> None:
    """Say what would be set aside and why, in Chinese and English; needs neither key nor vault.

    The page names files as the sender knows them. Exits 1 if something should be mended.

    Example: livercohort check-export 2026-11-20
    """
    from flows.rehearsal import check_folder, page_of
    from schemas.run.atomic_files import write_bytes

    if out is not None and (out.exists() or out.suffix != ".md"):
        raise BadInputError("the page cannot be written there", expected="a new .md file")
    settings = apply_environment(workers=workers)
    found = check_folder(folder, workers=settings.workers, scratch=scratch)
    page = page_of(found)
    if out is None:
        say(page)
    else:
        write_bytes(out, page.encode("utf-8"), mode=0o600)
        say(f"written to {out}; it names files as the sender does")
    if not found.is_clean:
        raise typer.Exit(ExitCode.BLOCKED)


def rehearse(settings: Settings, codes: list[str]) -> bool:
    """Rehearse the next night of these sites; return whether nothing has to be mended.

    The pages name the site's files: they are written to the closed scratch zone, one for each
    export, and printed are counts alone.
    """
    from flows.rehearsal import page_of, page_path, rehearse_site
    from schemas.identifiers import SiteCode
    from schemas.run.atomic_files import write_bytes

    clean = True
    for code in codes:
        rehearsed = rehearse_site(settings, SiteCode(code))
        if not rehearsed:
            say(f"{code}: nothing new is complete")
        for number, found in rehearsed:
            page = page_path(settings.zones, code, number)
            write_bytes(page, page_of(found).encode("utf-8"), mode=0o600)
            states = ", ".join(f"{n} {state}" for state, n in sorted(found.states.items()))
            say(f"{code} export {number}: {states}")
            for reason, paths in sorted(found.aside.items()):
                say(f"      would be set aside: {len(paths)} {reason}")
            say(f"      {len(found.findings)} findings about forms; page: {page}")
            clean = clean and found.is_clean
    return clean
