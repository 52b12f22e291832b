"""A run behind a proxy: what it is shown, what is told of it, and when it is left aside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.front import open_front

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import SmallProxy
    from tests.e2e.conftest import Desk

SECRET = "sig-8d0e2b"
WORD = "pass-word-5f"
SHOWN = "Basic bmFtZTpwYXNzLXdvcmQtNWY="


def everything_in(folder: Path) -> bytes:
    """All that lies there, and what the command wrote."""
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_run_behind_a_proxy_tunnels_to_gateway_and_results(
    desk: Desk,
    proxy: SmallProxy,
    certified: Callable[..., ssl.SSLContext],
    authority_file: str,
) -> None:
    desk.rows(*desk.items(3))
    proxy.password = SHOWN
    desk.environment |= {
        "HTTPS_PROXY": proxy.url.replace("//", f"//name:{WORD}@"),
        "SSL_CERT_FILE": authority_file,
    }
    tls = certified("gateway.test", "results.test")
    with open_front(desk.house.url, query=f"?signature={SECRET}", tls=tls) as front:
        front.public = "https://results.test"
        proxy.routes |= dict.fromkeys(("gateway.test:443", "results.test:443"), front.server_port)
        url = "https://gateway.test/edit"
        ended = desk.start("--gateway", url, "--log-file", "log", gateway=False).wait()
        heads = list(front.heads)

    assert (ended.status, ended.items) == (0, {"total": 3, "saved": 3})
    assert desk.house.books()["billed"] == 3
    assert set(proxy.asked) == {
        "CONNECT gateway.test:443 HTTP/1.1",
        "CONNECT results.test:443 HTTP/1.1",
    }
    assert all("proxy-authorization" not in map(str.lower, head) for _, head in heads)
    shown_key = {
        path.partition("?")[0] for path, head in heads if "Ocp-Apim-Subscription-Key" in head
    }
    assert shown_key == {"/edit"}
    log = (desk.folder / "log").read_text()
    for told in (ended.stderr, log):
        assert told.count(f"{proxy.url}") == 1
    assert "only a proxy sees where it connects to" in ended.stderr
    written = everything_in(desk.folder)
    assert WORD.encode() not in written
    assert SHOWN.encode() not in written


def test_a_run_whose_proxy_refuses_pays_nothing_and_blames_no_key(
    desk: Desk, proxy: SmallProxy
) -> None:
    desk.rows(*desk.items(1))
    proxy.refusal = 403
    desk.environment["all_proxy"] = proxy.url
    ended = desk.start(
        "--gateway",
        "https://gateway.test/edit",
        "--attempts",
        2,
        "--log-file",
        "log",
        gateway=False,
    ).wait()
    assert (ended.status, ended.items) == (3, {"total": 1, "pending": 1})
    assert ended.told["failures"] == {"unreachable": 1}
    assert len(proxy.heads) == 2
    assert "the proxy refused with status 403" in (desk.folder / "log").read_text()


@pytest.mark.parametrize("sandbox", [True, False])
def test_a_gateway_on_this_machine_is_asked_without_the_proxy(
    desk: Desk, proxy: SmallProxy, *, sandbox: bool
) -> None:
    desk.rows(*desk.items(2))
    desk.environment |= {"http_proxy": proxy.url, "HTTPS_PROXY": proxy.url}
    if sandbox:
        # Not even looked at: a sandbox of one's own is never behind a proxy.
        desk.environment["all_proxy"] = desk.environment["https_proxy"] = "socks5://x"
        ended = desk.run("--sandbox", gateway=False)
    else:
        ended = desk.run()
    assert (ended.status, ended.items) == (0, {"total": 2, "saved": 2})
    assert proxy.heads == []


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_proxy_that_is_none_is_told_before_anything_is_opened(desk: Desk, command: str) -> None:
    desk.rows(*desk.items(1))
    desk.environment |= {"HTTPS_PROXY": f"socks5://name:{WORD}@proxy:1080", "NO_PROXY": "a.test"}
    ended = desk.start(command=command).wait()
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr == (
        "qwenbatch: HTTPS_PROXY names a proxy of the kind socks5 that is not known here\n"
        "  name an http proxy, such as http://proxy:3128, or unset it\n"
    )
    assert not desk.out.exists()


def test_doctor_tells_the_proxies_and_what_they_weaken(desk: Desk, proxy: SmallProxy) -> None:
    desk.environment["HTTPS_PROXY"] = proxy.url.replace("//", f"//name:{WORD}@")
    proxy.refusal = 407
    gateway = "https://gateway.test/edit"
    ended = desk.start(
        "--gateway", gateway, command="doctor", source="--json", gateway=False, json_=False
    ).wait()
    checks = {check["name"]: check for check in json.loads(ended.stdout)["checks"]}
    assert checks["proxy"]["ok"]
    assert checks["proxy"]["says"].startswith(f"{proxy.url}; only a proxy sees")
    assert "the proxy refused with status 407" in checks["gateway"]["says"]
    assert WORD not in ended.stdout + ended.stderr

    desk.environment["https_proxy"] = "ftp://proxy"
    ended = desk.start(command="doctor", source="--json", json_=False).wait()
    checks = {check["name"]: check for check in json.loads(ended.stdout)["checks"]}
    assert "https_proxy names a proxy of the kind ftp" in checks["proxy"]["says"]
    assert checks["proxy"]["advice"]
