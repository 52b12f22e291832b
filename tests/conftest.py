"""What all tests share: a proxy on a port of its own, certificates of the tests' own authority.

No test fails for being slow: a busy machine is no defect of the program.
"""

from __future__ import annotations

import select
import signal
import socket
import socketserver
import ssl
import struct
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trustme
from hypothesis import HealthCheck, settings

from tests.stores.s3 import open_hostile, open_s3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qwenbatch.core.store_url import StoreUrl
    from tests.stores.s3 import S3, Hostile

settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# Whoever starts tests in the background may have them ignore signals, and processes inherit that.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGTERM, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

_SECONDS = 20.0
_PIECE = 65_536


class SmallProxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy: tunnels (CONNECT) and whole URLs (plain http).

    Whatever host is asked for, it leads to one of `routes` (by port on this machine). With
    `password` it demands that header; with `refusal` it refuses everything with that status. It
    breaks off once it passed `break_after` bytes on, or when `break_off` is called.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.routes: dict[str, int] = {}
        self.password: str | None = None
        self.refusal: int | None = None
        self.break_after: int | None = None
        self.heads: list[str] = []
        self.passed = b""
        self.broken = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked(self) -> list[str]:
        """The first line of each request."""
        return [head.partition("\r\n")[0] for head in self.heads]

    def break_off(self) -> None:
        """End everything that goes through, by a reset."""
        self.broken.set()


class _Visit(socketserver.BaseRequestHandler):
    server: SmallProxy

    def handle(self) -> None:
        head, rest = self._head()
        if not head:
            return
        self.server.heads.append(head)
        line, *headers = head.rstrip("\r\n").split("\r\n")
        method, target, _ = line.split(" ")
        shown = [each for each in headers if each.lower().startswith("proxy-authorization: ")]
        refusal = self.server.refusal
        if self.server.password is not None and not any(
            each.partition(": ")[2] == self.server.password for each in shown
        ):
            refusal = 407
        if refusal is not None:
            page = b"<html>no, says the proxy</html>"
            head = f"HTTP/1.1 {refusal} No\r\nContent-Type: text/html\r\n"
            self.request.sendall(f"{head}Content-Length: {len(page)}\r\n\r\n".encode() + page)
            self._drain()
            return
        host, path = (target, "") if method == "CONNECT" else self._parted(target)
        port = self.server.routes[host]
        with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as onward:
            if method == "CONNECT":
                self.request.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                kept = [each for each in headers if not each.lower().startswith("proxy-")]
                first = f"{method} {path} HTTP/1.1"
                onward.sendall("\r\n".join([first, *kept, "", ""]).encode() + rest)
            self._join(onward, len(rest))

    def _head(self) -> tuple[str, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.request.recv(_PIECE)
            if not piece:
                return "", b""
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        return head.decode() + "\r\n\r\n", rest

    def _parted(self, target: str) -> tuple[str, str]:
        authority, _, path = target.removeprefix("http://").partition("/")
        return authority if ":" in authority else f"{authority}:80", f"/{path}"

    def _join(self, onward: socket.socket, passed: int) -> None:
        """Pass bytes both ways until one side ends, or it is to be broken off."""
        ways = {self.request: onward, onward: self.request}
        limit = self.server.break_after
        while True:
            if self.server.broken.is_set() or (limit is not None and passed >= limit):
                self._reset()
                return
            for source in select.select(list(ways), [], [], 0.02)[0]:
                with suppress(ConnectionError):
                    piece = source.recv(_PIECE)
                    if piece:
                        if source is self.request:
                            passed += len(piece)
                            self.server.passed += piece
                        ways[source].sendall(piece)
                        continue
                return

    def _reset(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()

    def _drain(self) -> None:
        """Let the answer arrive although more comes in."""
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_WR)
            self.request.settimeout(_SECONDS)
            while self.request.recv(_PIECE):
                pass


@contextmanager
def small_proxy() -> Iterator[SmallProxy]:
    with SmallProxy() as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.break_off()
            proxy.shutdown()
            thread.join(_SECONDS)


@pytest.fixture
def proxy() -> Iterator[SmallProxy]:
    with small_proxy() as proxy:
        yield proxy


@pytest.fixture
def another_proxy() -> Iterator[SmallProxy]:
    with small_proxy() as proxy:
        yield proxy


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who signs the tests' certificates."""
    return trustme.CA()


@pytest.fixture(scope="session")
def authority_file(authority: trustme.CA) -> Iterator[str]:
    """Its certificate, as SSL_CERT_FILE names it."""
    with ExitStack() as stack:
        yield str(stack.enter_context(authority.cert_pem.tempfile()))


@pytest.fixture(scope="session")
def certified(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """A server's TLS for some names."""

    def build(*names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        return context

    return build


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 server, one for all tests that ask for it."""
    with open_s3(tmp_path_factory.mktemp("s3")) as s3:
        yield s3


@pytest.fixture
def hostile(s3: S3) -> Iterator[Hostile]:
    """A proxy in front of it that fails as it is told, and counts what is asked."""
    with open_hostile(s3) as hostile:
        yield hostile


@pytest.fixture
def store(s3: S3, hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> StoreUrl:
    """A bucket of its own, behind the hostile proxy, that this process's environment leads to."""
    for name, value in s3.environment(hostile.url).items():
        monkeypatch.setenv(name, value)
    return s3.make()
