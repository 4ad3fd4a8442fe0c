"""What stands between a night and its server, and answers as one without its database does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

_ANSWER = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
)


class Between:
    """Passes bytes on; while `down` is set, whoever asks gets status 500, and is counted.

    After `end` nobody answers any more, as when a server was killed.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._there = (parts.hostname or "", parts.port or 80)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}{parts.path}"
        self.down, self.refused = threading.Event(), 0
        self._ended = threading.Event()

    def serve(self) -> None:
        """Take connections until the socket is closed."""
        while True:
            try:
                asking, _ = self._listening.accept()
            except OSError:
                return
            answering = socket.create_connection(self._there)
            for one, other in ((asking, answering), (answering, asking)):
                threading.Thread(target=self._pass, args=(one, other, asking), daemon=True).start()

    def end(self) -> None:
        """Take no more connections, and break off those that stand."""
        if not self._ended.is_set():
            self._ended.set()
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()

    def _pass(self, one: socket.socket, other: socket.socket, asking: socket.socket) -> None:
        try:
            while (told := one.recv(65536)) and not self._ended.is_set():
                if self.down.is_set() and one is asking:
                    self.refused += 1
                    asking.sendall(_ANSWER)
                    break
                other.sendall(told)
        except OSError:
            pass
        finally:
            for end in (one, other):
                end.close()


@contextmanager
def between(url: str) -> Iterator[Between]:
    """Have somebody between for the time of the block."""
    made = Between(url)
    threading.Thread(target=made.serve, daemon=True).start()
    try:
        yield made
    finally:
        made.end()
