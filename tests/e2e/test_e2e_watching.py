"""Who watches a run from outside: figures in a file, and a watchdog that is told."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import SmallProxy
    from tests.e2e.conftest import Desk

SECRET = "4b6c-uuid-of-the-check"


@dataclass
class Dog:
    """A watchdog on a port of its own; `told` are paths and bodies, in their order."""

    server: ThreadingHTTPServer
    status: int = 200
    silent: threading.Event | None = None
    told: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/ping/{SECRET}"

    @property
    def paths(self) -> list[str]:
        """What it was told, without the run's id, which must be one."""
        ids = {path.partition("?rid=")[2] for path, _ in self.told}
        assert len(ids) == 1
        return [path.partition("?")[0].removeprefix(f"/ping/{SECRET}/") for path, _ in self.told]


@pytest.fixture
def dog() -> Iterator[Dog]:
    class Visit(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            opened.told.append((self.path, body))
            if opened.silent is not None:
                opened.silent.wait(30)
            self.send_response(opened.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Visit) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened = Dog(server)
        yield opened
        if opened.silent is not None:
            opened.silent.set()
        server.shutdown()


def figures(path: Path) -> dict[str, float]:
    """Every sample, by its name and its label beside `out`."""
    found = {}
    for family in text_string_to_metric_families(path.read_text()):
        for sample in family.samples:
            kind = "".join(value for name, value in sample.labels.items() if name != "out")
            found[sample.name + (kind and f":{kind}")] = sample.value
    return found


def secret_is_nowhere(desk: Desk) -> None:
    """What a run wrote, its ledger included, does not hold the watchdog's URL."""
    for file in desk.folder.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file


def test_metrics_file_holds_the_figures_of_the_run_that_ended(desk: Desk) -> None:
    desk.rows(*desk.items(3))
    desk.house.fail("moderated", match="mirror p01")
    ended = desk.run("--metrics", "shop.prom")
    assert ended.status == 3
    path = desk.folder / "shop.prom"
    found = figures(path)
    assert found["qwenbatch_items:saved"] == 2
    assert found["qwenbatch_items:failed"] == 1
    assert found["qwenbatch_attempts_total"] == 3
    assert found["qwenbatch_spent_usd_total"] == pytest.approx(0.11)
    assert found["qwenbatch_run_exit_status"] == 3
    assert found["qwenbatch_failures:moderated"] == 1
    assert path.stat().st_mode & 0o044 == 0o044
    assert list(desk.folder.glob("shop.prom?*")) == []


def test_metrics_file_is_there_while_the_run_lasts(slow_desk: Desk) -> None:
    slow_desk.rows(*slow_desk.items(1))
    run = slow_desk.start("--metrics", "shop.prom")
    slow_desk.house.wait_in_flight(1)
    found = figures(slow_desk.folder / "shop.prom")
    assert found["qwenbatch_items:pending"] == 1
    assert "qwenbatch_run_exit_status" not in found
    run.kill()


def test_metrics_that_cannot_be_written_are_told_once_and_end_nothing(desk: Desk) -> None:
    desk.rows(*desk.items(2))
    ended = desk.run("--metrics", "nowhere/shop.prom")
    assert (ended.status, ended.items) == (0, {"total": 2, "saved": 2})
    assert ended.stderr.count("shop.prom can no longer be written: No such file") == 1


def test_check_writes_no_metrics_and_pings_nobody(desk: Desk, dog: Dog) -> None:
    desk.rows(*desk.items(1))
    words = ("--metrics", "shop.prom", "--ping", dog.url)
    assert desk.check(*words).status == 0
    assert desk.run(*words, "--dry-run").status == 0
    assert not (desk.folder / "shop.prom").exists()
    assert dog.told == []


def test_ping_tells_start_and_end_of_a_run_and_leaves_no_trace(desk: Desk, dog: Dog) -> None:
    desk.rows(*desk.items(2))
    desk.house.fail("server_error", match="mirror p01", times=None)
    desk.environment["QWENBATCH_PING"] = dog.url
    ended = desk.start("--log-file", "log", "--attempts", 1, json_=False).wait()
    assert ended.status == 3
    assert dog.paths == ["start", "3"]
    told = json.loads(dog.told[1][1])
    assert told["exit_status"] == 3
    assert f"run {told['run']}:" in ended.stderr
    assert "next: qwenbatch run job.jsonl" in ended.stdout
    assert desk.start("--ping", dog.url, "--attempts", 1, json_=False).wait().status == 3
    shown = desk.start(f"--ping={dog.url}", "--dry-run", json_=False).wait().stdout
    assert "option" in shown.partition("ping ")[2].partition("\n")[0]
    secret_is_nowhere(desk)


def test_ping_tells_why_a_run_cannot_begin(slow_desk: Desk, dog: Dog) -> None:
    desk = slow_desk
    desk.rows(*desk.items(1))
    assert desk.run("--ping", dog.url, "--sandbox").status == 2
    assert dog.paths == ["start", "2"]
    assert "exclude each other" in dog.told[1][1]
    dog.told.clear()
    held = desk.start()
    desk.house.wait_in_flight(1)
    assert desk.run("--ping", dog.url).status == 10
    held.kill()
    assert dog.paths == ["start", "10"]
    assert "holds" in dog.told[1][1]


@pytest.mark.parametrize("url", ["ftp://h/x", "//h", "http://h:x/4b6c", "http:// 4b6c"])
def test_ping_to_what_is_no_url_is_refused_without_naming_it(desk: Desk, url: str) -> None:
    desk.rows(*desk.items(1))
    ended = desk.run("--ping", url)
    assert ended.status == 2
    assert "--ping: it must be a whole http(s) URL" in ended.stderr
    assert url not in ended.stderr


@pytest.mark.parametrize("status", [301, 404])
def test_ping_that_is_refused_is_told_once_and_changes_nothing(
    desk: Desk, dog: Dog, status: int
) -> None:
    desk.rows(*desk.items(1))
    dog.status = status
    ended = desk.run("--ping", dog.url)
    assert (ended.status, ended.items) == (0, {"total": 1, "saved": 1})
    assert ended.stderr.count(f"the ping was answered with status {status}") == 1
    assert len(dog.told) == 2


def test_ping_to_a_silent_watchdog_holds_the_run_up_by_ten_seconds_at_most(
    desk: Desk, dog: Dog
) -> None:
    desk.rows(*desk.items(1))
    dog.silent = threading.Event()
    began = time.monotonic()
    run = desk.start("--ping", dog.url)
    desk.house.wait_billed(1)
    assert time.monotonic() - began < 9
    ended = run.wait()
    assert (ended.status, ended.items) == (0, {"total": 1, "saved": 1})
    assert "the ping" in ended.stderr
    assert ended.stdout


def test_ping_goes_through_the_proxy(
    desk: Desk,
    dog: Dog,
    proxy: SmallProxy,
    certified: Callable[..., ssl.SSLContext],
    authority_file: str,
) -> None:
    desk.rows(*desk.items(1))
    proxy.password = "Basic bmFtZTpwYXNz"
    own = proxy.url.replace("//", "//name:pass@")
    desk.environment |= {"http_proxy": own, "https_proxy": own, "SSL_CERT_FILE": authority_file}
    proxy.routes["dog.test:80"] = dog.server.server_port
    plain = dog.url.replace(f"127.0.0.1:{dog.server.server_port}", "dog.test")
    assert desk.run("--ping", plain, "--sandbox", gateway=False).status == 0
    assert dog.paths == ["start", "0"]

    dog.told.clear()
    dog.server.socket = certified("dog.test").wrap_socket(dog.server.socket, server_side=True)
    proxy.routes["dog.test:443"] = dog.server.server_port
    ended = desk.run("--ping", plain.replace("http:", "https:"), "--sandbox", gateway=False)
    assert (ended.status, ended.stderr.count("the ping")) == (0, 0)
    assert dog.paths == ["start", "0"]
    assert proxy.asked[-1] == "CONNECT dog.test:443 HTTP/1.1"
