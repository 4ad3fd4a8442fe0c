"""Tell somebody outside: one message by webhook, by mail, or both; never a reason to fail."""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.parse
import urllib.request
from collections.abc import Callable
from email.message import EmailMessage

from schemas.errors import BadInputError
from schemas.run.settings import Settings

_TIMEOUT_S = 20.0
_MAX_TEXT = 20_000


def notify(settings: Settings, subject: str, text: str) -> list[str]:
    """Send a message wherever the settings say; return one line for each way it did not go.

    Parameters
    ----------
    settings : Settings
        `notify_webhook` and `notify_mail`; without either nothing is sent.
    subject : str
        One line.
    text : str
        The whole message, pseudonymous.
    """
    failed = []
    ways: list[tuple[str, object, Callable[[str, str, str], None]]] = [
        ("webhook", settings.notify_webhook, _post),
        ("mail", settings.notify_mail, _mail),
    ]
    for name, secret, send in ways:
        if secret is None:
            continue
        try:
            send(secret.get_secret_value(), subject, text[:_MAX_TEXT])  # type: ignore[attr-defined]
        except BadInputError as error:
            failed.append(f"{name}: {error.found}")
        except Exception as error:
            # The URL holds a secret, and an answer may quote anything.
            failed.append(f"{name}: not delivered ({type(error).__name__})")
    return failed


def _post(url: str, subject: str, text: str) -> None:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise BadInputError("LIVERCOHORT_NOTIFY_WEBHOOK is no http(s) URL")
    body = json.dumps({"subject": subject, "text": text}, ensure_ascii=False).encode("utf-8")
    request = urllib.request.Request(  # noqa: S310 - checked above
        url, body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310
        return


def _mail(url: str, subject: str, text: str) -> None:
    parts = urllib.parse.urlsplit(url)
    query = urllib.parse.parse_qs(parts.query)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or len(query) < 2:
        raise BadInputError(
            "LIVERCOHORT_NOTIFY_MAIL is not smtp[s]://[USER:PASSWORD@]HOST[:PORT]/?from=…&to=…"
        )
    message = EmailMessage()
    message["Subject"], message["From"] = subject, query["from"][0]
    message["To"] = ", ".join(query["to"])
    message.set_content(text)
    secure = ssl.create_default_context()
    if parts.scheme == "smtps":
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            parts.hostname, parts.port or 465, timeout=_TIMEOUT_S, context=secure
        )
    else:
        client = smtplib.SMTP(parts.hostname, parts.port or 25, timeout=_TIMEOUT_S)
    with client:
        if parts.scheme == "smtp" and client.has_extn("starttls"):
            client.starttls(context=secure)
        if parts.username:
            client.login(
                urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
            )
        client.send_message(message)
