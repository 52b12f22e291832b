"""An S3 server as a process of its own (moto's), and a hostile proxy in front of it."""

from __future__ import annotations

import os
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECONDS = 30.0
_PIECE = 65_536


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

    def make(self, bucket: str) -> None:
        assert self._ask("PUT", f"/{bucket}")[0] == 200

    def put(self, bucket: str, key: str, content: bytes) -> None:
        assert self._ask("PUT", f"/{bucket}/{key}", content)[0] == 200

    def get(self, bucket: str, key: str) -> bytes | None:
        status, content = self._ask("GET", f"/{bucket}/{key}")
        assert status in {200, 404}, (status, content)
        return content if status == 200 else None

    def drop(self, bucket: str, key: str) -> None:
        assert self._ask("DELETE", f"/{bucket}/{key}")[0] == 204

    def keys(self, bucket: str) -> list[str]:
        """All of at most a thousand keys."""
        status, content = self._ask("GET", f"/{bucket}?list-type=2")
        assert status == 200, content
        return [part.partition(b"</Key>")[0].decode() for part in content.split(b"<Key>")[1:]]

    def _ask(self, method: str, path: str, content: bytes | None = None) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, content)
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
    many bytes of the body went through; `lose` does what is asked, and loses the answer.
    """

    method: str
    part: str
    times: int = 1
    status: int | None = None
    code: str = ""
    cut: int | None = None
    lose: bool = False


@dataclass(slots=True)
class Hostile:
    """A proxy in front of the server that fails as it is told, and counts what is asked."""

    port: int
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    heard: Callable[[str, str], None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, method: str, part: str = "") -> int:
        with self.lock:
            return sum(one == method and part in path for one, path in self.asked)

    def forget(self) -> None:
        with self.lock:
            self.asked.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault of a request that came, if it has one."""
        with self.lock:
            self.asked.append((method, path))
            for fault in self.faults:
                if fault.times and fault.method == method and fault.part in path:
                    fault.times -= 1
                    return fault
        return None


@contextmanager
def open_hostile(s3: S3) -> Iterator[Hostile]:
    """The proxy, until this ends."""

    class Visit(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError, ConnectionError):
                while self._pass_on():
                    pass

        def _pass_on(self) -> bool:
            head = self._head()
            if not head:
                return False
            method, path, _ = head[0].decode().split(" ", 2)
            headers = {
                line.partition(b":")[0].strip().lower(): line.partition(b":")[2].strip()
                for line in head[1:]
            }
            length = int(headers.get(b"content-length", b"0"))
            fault = hostile.take(method, path)
            if fault is not None and fault.status is not None:
                self.rfile.read(length)
                self._refuse(fault)
                return True
            with socket.create_connection(("127.0.0.1", s3.port), SECONDS) as server:
                kept = [line for line in head if not line.lower().startswith(b"connection:")]
                server.sendall(b"\r\n".join([*kept, b"Connection: close", b"", b""]))
                most = length if fault is None or fault.cut is None else min(length, fault.cut)
                while most:
                    piece = self.rfile.read(min(most, _PIECE))
                    if not piece:
                        return False
                    server.sendall(piece)
                    most -= len(piece)
                if fault is not None and fault.cut is not None:
                    self._break_off()
                    return False
                answer = b""
                while piece := server.recv(_PIECE):
                    answer += piece
            if fault is not None and fault.lose:
                self._break_off()
                return False
            self.wfile.write(answer)
            return False

        def _head(self) -> list[bytes]:
            lines = []
            while (line := self.rfile.readline(_PIECE)) not in {b"\r\n", b""}:
                lines.append(line.rstrip(b"\r\n"))
            return lines

        def _refuse(self, fault: Fault) -> None:
            body = f"<Error><Code>{fault.code}</Code><Message>no</Message></Error>".encode()
            self.wfile.write(
                b"HTTP/1.1 %d No\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s"
                % (fault.status or 500, len(body), body)
            )

        def _break_off(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            self.connection.close()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Visit) as server:
        hostile = Hostile(int(server.server_address[1]))
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield hostile
        finally:
            server.shutdown()
            thread.join()
