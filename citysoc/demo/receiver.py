"""A webhook receiver on this machine that checks every signature, as another system would."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections import Counter
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BODY_BYTES = 1 << 20


class Receiver(http.server.ThreadingHTTPServer):
    """Accepts messages whose Standard Webhooks signature is right; refuses all others.

    Args:
        secret: the shared secret, ``whsec_`` + base64.
    """

    daemon_threads = True

    def __init__(self, secret: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.secret = secret
        self.accepted: Counter[str] = Counter()
        self.refused = 0
        self.ids: set[str] = set()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where to POST."""
        return f"http://127.0.0.1:{self.server_address[1]}/alerts"

    def take(self, headers: dict[str, str], body: bytes) -> bool:
        """Count a message; return whether its signature is right."""
        from standardwebhooks.webhooks import Webhook, WebhookVerificationError

        try:
            Webhook(self.secret).verify(body, headers)
            kind = str(orjson.loads(body)["type"])
        except (WebhookVerificationError, ValueError, KeyError, TypeError):
            with self.lock:
                self.refused += 1
            return False
        with self.lock:
            self.accepted[kind] += 1
            self.ids.add(headers.get("webhook-id", ""))
        return True


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        good = length <= MAX_BODY_BYTES and self.server.take(
            {name.lower(): value for name, value in self.headers.items()}, self.rfile.read(length)
        )
        self.send_response(204 if good else 400)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Say nothing: the demonstration counts for itself."""


@contextlib.contextmanager
def receiving(secret: str) -> Iterator[Receiver]:
    """Keep a receiver open inside the block."""
    with Receiver(secret) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
