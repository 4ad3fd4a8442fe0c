"""A message reaches a webhook and a mailbox, and one that does not stops nothing and tells why."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from schemas.run.settings import Settings
from tasks.operate.store_notify import notify


@contextmanager
def serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_a_webhook_gets_subject_and_text_as_json() -> None:
    got: list[dict[str, Any]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with serving(Hook) as port:
        hook = SecretStr(f"http://127.0.0.1:{port}/hook?key=secret")
        assert notify(Settings(notify_webhook=hook), "a subject", "第一行\nsecond") == []
    assert got == [{"subject": "a subject", "text": "第一行\nsecond"}]


def test_a_mail_goes_to_everybody_who_is_named() -> None:
    got: list[str] = []

    class Mailbox(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            in_body = False
            for line in self.rfile:
                text = line.decode().rstrip()
                got.append(text)
                if in_body:
                    in_body = text != "."
                    answer = b"" if in_body else b"250 kept\r\n"
                else:
                    in_body = text == "data" or text == "DATA"
                    answer = b"354 go on\r\n" if in_body else b"250 ok\r\n"
                self.wfile.write(b"221 bye\r\n" if text.lower() == "quit" else answer)
                if text.lower() == "quit":
                    return

    with serving(Mailbox) as port:
        url = f"smtp://127.0.0.1:{port}/?from=nights@example.org&to=a@example.org&to=b@example.org"
        assert notify(Settings(notify_mail=SecretStr(url)), "a subject", "a text") == []
    assert "rcpt TO:<a@example.org>" in got
    assert "rcpt TO:<b@example.org>" in got
    assert "Subject: a subject" in got
    assert "a text" in got


def test_a_message_that_cannot_go_is_told_without_its_secret() -> None:
    hook = SecretStr("http://127.0.0.1:1/hook?key=secret")
    (failed,) = notify(Settings(notify_webhook=hook), "s", "t")
    assert failed == "webhook: not delivered (URLError)"


def test_an_address_that_is_none_is_told_by_its_setting() -> None:
    settings = Settings(notify_webhook=SecretStr("file:///etc/passwd"), notify_mail=SecretStr("me"))
    webhook, mail = notify(settings, "s", "t")
    assert "LIVERCOHORT_NOTIFY_WEBHOOK is no http(s) URL" in webhook
    assert "LIVERCOHORT_NOTIFY_MAIL is not smtp" in mail


def test_without_a_setting_nothing_is_sent() -> None:
    assert notify(Settings(), "s", "t") == []
