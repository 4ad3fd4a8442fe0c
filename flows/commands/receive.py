"""Commands about images that a PACS sends: listen, and close what has come."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.console import HomeOption, JsonOption, say, say_json, show_progress
from flows.commands.night import InboxOption, prepare_home
from schemas.errors import BadInputError
from schemas.run.settings import apply_environment

if TYPE_CHECKING:
    from tasks.receive.pacs import Receipt

receive_app = typer.Typer(
    invoke_without_command=True, help="Images that a PACS sends, into the same inbox."
)


@receive_app.callback()
def receive(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Where to listen.")] = 11112,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM; then TLS is spoken.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM, of the certificate.")] = None,
    tls_authority: Annotated[
        Path | None, typer.Option(help="PEM; senders must show a certificate of it.")
    ] = None,
    home: HomeOption = None,
    inbox: InboxOption = None,
) -> None:
    """Listen for C-STORE until stopped; each site sends to the AE title of its site file.

    An object is confirmed when it is safe on disk. Nothing is taken in before the site says that
    it has sent all: `livercohort receive close SITE`.

    Example: livercohort receive --host 0.0.0.0 --port 11112
    """
    if context.invoked_subcommand is not None:
        return
    from schemas.run.sites import read_sites
    from tasks.receive.pacs import sites_by_title
    from tasks.receive.store_scp import listening, tls_context

    settings = apply_environment(home=home, inbox=inbox)
    titles = sites_by_title(read_sites())
    if not titles:
        raise BadInputError(
            "no site has an ae_title", where="data_contracts/sites", hint="Name one in its file."
        )
    if (tls_certificate is None) != (tls_key is None) or (tls_authority and not tls_certificate):
        raise BadInputError("TLS needs --tls-certificate and --tls-key together")
    tls = None
    if tls_certificate and tls_key:
        tls = tls_context(tls_certificate, tls_key, tls_authority)
    prepare_home(settings)
    show_progress(settings.zones.logs / "receive.log")
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    with listening(
        settings.zones, titles, host=host, port=port, tls=tls, told=_say_receipt
    ) as taken:
        named = ", ".join(f"{title} → {site}" for title, site in sorted(titles.items()))
        typer.echo(f"listening on {host}:{taken}{' with TLS' if tls else ''}: {named}")
        stop.wait()
    typer.echo("stopped; what was confirmed is on disk")


@receive_app.command("close")
def close(
    site: Annotated[str, typer.Argument(help="Site code, e.g. S91.")],
    linkage: Annotated[Path | None, typer.Option(help="The site's linkage.csv.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="CSV with sop_instance_uid: all must have come.")
    ] = None,
    home: HomeOption = None,
    inbox: InboxOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an export of what a site's PACS has sent; the next night takes it in.

    Example: livercohort receive close S91 --linkage linkage.csv
    """
    from schemas.run.sites import site_code
    from tasks.receive.store_pacs import close_receiving

    settings = apply_environment(home=home, inbox=inbox)
    code = site_code(site)
    closed = close_receiving(settings.zones, code, linkage=linkage, manifest=manifest)
    if as_json:
        say_json(closed.__dict__)
        return
    say(f"{code}: {closed.files} objects are export {closed.name}")
    if closed.unfinished:
        say(f"{closed.unfinished} were cut off and never confirmed; they will be set aside")


def _say_receipt(receipt: Receipt) -> None:
    typer.echo(
        f"{receipt.site_code} {receipt.how}: {receipt.stored} stored, {receipt.repeated} repeated, "
        f"{receipt.failed} failed, {receipt.refused_classes.total()} SOP classes refused"
    )
