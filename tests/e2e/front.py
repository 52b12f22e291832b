"""A server before the sandbox: it passes on, signs results' URLs, and answers in its place."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

_SECONDS = 20.0
_ENDS_WITH_THE_CONNECTION = {"connection", "content-length", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Said:
    """An answer of the front itself."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Front(ThreadingHTTPServer):
    """Stands before the sandbox whose endpoint is `behind`.

    An edit whose instruction holds a word of `says` gets that answer; a result that is asked for
    the first `failures` times is refused. In the sandbox's answers `public` takes the place of
    its address, and every URL ends in `query`.
    """

    daemon_threads = True

    def __init__(self, behind: str, *, query: str) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.behind = urlsplit(behind)
        self.public = f"http://127.0.0.1:{self.server_port}"
        self.query = query
        self.says: dict[str, Said] = {}
        self.failures = 0
        self.heads: list[tuple[str, dict[str, str]]] = []
        self.held: threading.Event | None = None

    @property
    def url(self) -> str:
        return f"{self.public}/edit"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is none."""


class _Visit(BaseHTTPRequestHandler):
    server: Front
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heads.append((self.path, dict(self.headers)))
        if self.server.held is not None:
            self.server.held.wait(_SECONDS)
        text = json.dumps(json.loads(body)["input"], ensure_ascii=False)
        said = next((said for word, said in self.server.says.items() if word in text), None)
        self._tell(said or self._passed_on("POST", self.server.behind.path, body))

    def do_GET(self) -> None:
        self.server.heads.append((self.path, dict(self.headers)))
        if self.server.failures:
            self.server.failures -= 1
            self._tell(Said(503, b"not now"))
        else:
            self._tell(self._passed_on("GET", self.path.partition("?")[0], None))

    def _passed_on(self, method: str, path: str, body: bytes | None) -> Said:
        behind = self.server.behind
        onward = http.client.HTTPConnection(behind.hostname or "", behind.port, timeout=_SECONDS)
        try:
            headers = {name: text for name, text in self.headers.items() if name != "Host"}
            onward.request(method, path, body, headers)
            answer = onward.getresponse()
            data = answer.read()
        finally:
            onward.close()
        kept = {
            name: text
            for name, text in answer.getheaders()
            if name.lower() not in _ENDS_WITH_THE_CONNECTION
        }
        own = f"http://{behind.netloc}".encode()
        if method == "POST":
            data = data.replace(own, self.server.public.encode())
            data = data.replace(b'.png"', f'.png{self.server.query}"'.encode())
        return Said(answer.status, data, kept)

    def _tell(self, said: Said) -> None:
        self.send_response(said.status)
        for name, text in said.headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        self.wfile.write(said.body)


@contextmanager
def open_front(behind: str, *, query: str, tls: ssl.SSLContext | None = None) -> Iterator[Front]:
    with Front(behind, query=query) as front:
        if tls is not None:
            front.socket = tls.wrap_socket(
                front.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=front.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield front
        finally:
            front.shutdown()
            thread.join(_SECONDS)
