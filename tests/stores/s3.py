"""An S3 server as a process of its own (moto's), and a hostile proxy in front of it."""

from __future__ import annotations

import os
import secrets
import socket
import socketserver
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import quote

from qwenbatch.core.store_url import StoreUrl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECONDS = 30.0
_PIECE = 65_536
_CONDITIONS = (b"if-match:", b"if-none-match:")
_SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request,Signature=0"
"""What the server, which checks no signature, takes for the owner's."""


@dataclass(slots=True)
class S3:
    """A server on loopback, asked directly: what it holds is the judge."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self, url: str | None = None) -> dict[str, str]:
        """What leads a process to it, or to what stands in front of it."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url or self.url,
        }

    def make(self, name: str | None = None) -> StoreUrl:
        """A bucket; one that nobody else uses, unless it is named."""
        bucket = name or f"b{secrets.token_hex(8)}"
        assert self._ask("PUT", f"/{bucket}")[0] == 200
        return StoreUrl("s3", bucket, "")

    def put(self, place: StoreUrl, content: bytes) -> None:
        assert self._ask("PUT", _path(place), content)[0] == 200

    def get(self, place: StoreUrl) -> bytes | None:
        status, content = self._ask("GET", _path(place))
        assert status in {200, 404}, (status, content)
        return content if status == 200 else None

    def drop(self, place: StoreUrl) -> None:
        assert self._ask("DELETE", _path(place))[0] == 204

    def keys(self, place: StoreUrl) -> list[str]:
        """All of a bucket's keys, of which there are at most a thousand."""
        status, content = self._ask("GET", f"/{place.bucket}?list-type=2")
        assert status == 200, content
        return [part.partition(b"</Key>")[0].decode() for part in content.split(b"<Key>")[1:]]

    def _ask(self, method: str, path: str, content: bytes | None = None) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, content, {"Authorization": _SIGNED})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def open_s3(folder: Path) -> Iterator[S3]:
    """moto's server, until this ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "moto.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
    try:
        last = time.monotonic() + SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, (folder / "moto.log").read_text()
            assert time.monotonic() < last
            time.sleep(0.02)
        yield S3(port)
    finally:
        process.kill()
        process.wait()


@dataclass(slots=True)
class Fault:
    """What happens to requests that match a method and a part of the path, so many times.

    `status` with `code` is answered in the server's place; `cut` breaks the connection off once so
    many bytes of the body went through, `answer_cut` once so many of the answer did; `lose` does
    what is asked, then `then`, and loses the answer.
    """

    method: str
    part: str
    times: int = 1
    status: int | None = None
    code: str = ""
    cut: int | None = None
    answer_cut: int | None = None
    lose: bool = False
    then: Callable[[], None] | None = None


@dataclass(slots=True)
class Hostile:
    """A proxy in front of the server that fails as it is told, and counts what is asked."""

    port: int
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    hooks: list[tuple[str, str, Callable[[], None]]] = field(default_factory=list)
    blind: bool = False
    """It passes no condition on, as stores do that know none."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, method: str, part: str = "") -> int:
        with self.lock:
            return sum(one == method and part in path for one, path in self.asked)

    def forget(self) -> None:
        with self.lock:
            self.asked.clear()

    def before(self, method: str, part: str, do: Callable[[], None]) -> None:
        """Do something before each such request is passed on."""
        self.hooks.append((method, part, do))

    def take(self, method: str, path: str) -> Fault | None:
        """The fault of a request that came, if it has one."""
        for asked, part, do in self.hooks:
            if asked == method and part in path:
                do()
        with self.lock:
            self.asked.append((method, path))
            for fault in self.faults:
                if fault.times and fault.method == method and fault.part in path:
                    fault.times -= 1
                    return fault
        return None


def _path(place: StoreUrl) -> str:
    return f"/{place.bucket}/{quote(place.key)}"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, s3: S3) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.s3 = s3
        self.hostile = Hostile(int(self.server_address[1]))


class _Visit(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        with suppress(OSError):
            head = self._head()
            if head:
                self._answer(head)

    def _answer(self, head: list[bytes]) -> None:
        method, path, _ = head[0].decode().split(" ", 2)
        lengths = [line.split(b":")[1] for line in head if line.lower().startswith(b"content-len")]
        length = int(lengths[0]) if lengths else 0
        fault = self.server.hostile.take(method, path)
        if fault is None:
            self.wfile.write(self._passed_on(head, length))
        elif fault.status is not None:
            self.rfile.read(length)
            self.wfile.write(_refusal(fault))
        elif fault.answer_cut is not None:
            self.wfile.write(self._passed_on(head, length)[: fault.answer_cut])
            self._break_off()
        elif fault.cut is not None:
            self._passed_on(head, min(length, fault.cut), whole=False)
            self._break_off()
        else:
            self._passed_on(head, length)
            if fault.then is not None:
                fault.then()
            self._break_off()

    def _head(self) -> list[bytes]:
        lines = []
        while (line := self.rfile.readline(_PIECE)) not in {b"\r\n", b""}:
            lines.append(line.rstrip(b"\r\n"))
        return lines

    def _passed_on(self, head: list[bytes], length: int, *, whole: bool = True) -> bytes:
        dropped = [b"connection:", *(_CONDITIONS if self.server.hostile.blind else ())]
        kept = [line for line in head if not line.lower().startswith(tuple(dropped))]
        with socket.create_connection(("127.0.0.1", self.server.s3.port), SECONDS) as server:
            server.sendall(b"\r\n".join([*kept, b"Connection: close", b"", b""]))
            server.sendall(self.rfile.read(length))
            answer = b""
            while whole and (piece := server.recv(_PIECE)):
                answer += piece
        return answer

    def _break_off(self) -> None:
        reset = b"\x01\0\0\0\0\0\0\0"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        self.connection.close()


def _refusal(fault: Fault) -> bytes:
    body = f"<Error><Code>{fault.code}</Code><Message>no</Message></Error>".encode()
    head = f"HTTP/1.1 {fault.status} No\r\nContent-Type: application/xml\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


@contextmanager
def open_hostile(s3: S3) -> Iterator[Hostile]:
    """The proxy, until this ends."""
    with _Server(s3) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.hostile
        finally:
            server.shutdown()
            thread.join()
