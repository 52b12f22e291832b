from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from qwenbatch.sandbox import Fault, FaultKind, Sandbox, SandboxError, SandboxSettings, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Reply = tuple[int, dict[str, str], bytes]
    Send = Callable[..., Awaitable[Reply]]
    BodyOf = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.anyio


async def test_books_count_what_happened_and_are_shown(send: Send, body_of: BodyOf) -> None:
    async with Sandbox(SandboxSettings()) as sandbox, ClientSession() as http:
        for text in ("sepia", "sepia", "mirror"):
            await send(sandbox, body_of(text))
        sandbox.script(Fault(kind=FaultKind.THROTTLED))
        await send(sandbox, body_of("mirror"))
        async with http.get(f"{sandbox.base_url}/books") as answer:
            shown = await answer.json()
        assert shown == json.loads(json.dumps(sandbox.books.as_json()))
    assert (shown["posts"], shown["billed"], shown["throttled"], shown["leaks"]) == (4, 3, 1, 0)
    assert (shown["in_flight"], shown["max_in_flight"], len(shown["starts"])) == (0, 1, 4)
    counted = {
        book["instruction"]: (book["posts"], book["billed"]) for book in shown["edits"].values()
    }
    assert counted == {"sepia": (2, 2), "mirror": (2, 1)}
    assert len({book["image"] for book in shown["edits"].values()}) == 1


async def test_edit_is_billed_although_its_client_has_gone(
    headers: dict[str, str],
    body_of: BodyOf,
) -> None:
    async with Sandbox(SandboxSettings(latency=(0.3, 0.3))) as sandbox:
        async with ClientSession() as http:
            post = asyncio.ensure_future(http.post(sandbox.url, json=body_of(), headers=headers))
            await sandbox.until(lambda books: bool(books.edits))
            post.cancel()
            await asyncio.gather(post, return_exceptions=True)
        assert sandbox.books.billed == 0
        await sandbox.until(lambda books: not books.in_flight)
        assert sandbox.books.billed == 1
        assert sandbox.books.outcomes == {"edited": 1}


@pytest.mark.parametrize("chunked", [False, True])
async def test_post_that_breaks_off_is_never_billed(body_of: BodyOf, *, chunked: bool) -> None:
    body = json.dumps(body_of()).encode()
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body) + 1}"
    framed = b"%x\r\n%s\r\n" % (len(body), body) if chunked else body
    async with Sandbox(SandboxSettings()) as sandbox:
        host, port = sandbox.base_url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        path = sandbox.url.removeprefix(sandbox.base_url)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Cache-Control: no-cache\r\nOcp-Apim-Subscription-Key: sandbox\r\n{length}\r\n\r\n"
        )
        writer.write(head.encode() + framed)
        await writer.drain()
        await sandbox.until(lambda books: books.in_flight == 1)
        writer.close()
        await writer.wait_closed()
        await sandbox.until(lambda books: not books.in_flight)
        books = sandbox.books
        assert (books.posts, books.billed, books.broken_off) == (1, 0, 1)


@pytest.mark.parametrize("kind", [FaultKind.GAVE_UP, FaultKind.UNREADABLE, FaultKind.ANSWER_EMPTY])
async def test_fault_after_the_edit_is_billed_unless_told(
    send: Send,
    body_of: BodyOf,
    kind: FaultKind,
) -> None:
    async with Sandbox(SandboxSettings()) as sandbox:
        sandbox.script(Fault(kind=kind))
        sandbox.script(Fault(kind=kind, billed=False))
        sandbox.script(Fault(kind=FaultKind.SERVER_ERROR, billed=True))
        billed = []
        for _ in range(3):
            await send(sandbox, body_of())
            billed.append(sandbox.books.billed)
        assert billed == [1, 1, 2]


async def test_rate_refuses_in_alternating_shapes_without_pay(send: Send, body_of: BodyOf) -> None:
    async with Sandbox(SandboxSettings(rate=0.01)) as sandbox:
        replies = [await send(sandbox, body_of()) for _ in range(5)]
        assert [status for status, _, _ in replies] == [200, 429, 429, 429, 429]
        assert ["statusCode" in json.loads(body) for _, _, body in replies[1:]] == [
            True,
            False,
            True,
            False,
        ]
        waits = [headers.get("Retry-After") for _, headers, _ in replies[1:]]
        assert waits == ["100", None, "100", None]
        assert (sandbox.books.billed, sandbox.books.throttled) == (1, 4)


async def test_in_flight_is_counted(send: Send, body_of: BodyOf) -> None:
    async with Sandbox(SandboxSettings(latency=(0.2, 0.3))) as sandbox:
        await asyncio.gather(*(send(sandbox, body_of(f"text {index}")) for index in range(8)))
        assert sandbox.books.max_in_flight == 8
        assert sandbox.books.in_flight == 0


def half_written(folder: Path) -> list[Path]:
    return list(folder.rglob("*.part"))


async def test_state_outlives_the_sandbox(send: Send, body_of: BodyOf, tmp_path: Path) -> None:
    settings = SandboxSettings(state=tmp_path / "state")
    async with Sandbox(settings) as first:
        _, _, body = await send(first, body_of())
        url, before = first.url, first.books
    result = json.loads(body)["output"]["choices"][0]["message"]["content"][0]["image"]
    async with Sandbox(settings) as second, ClientSession() as http:
        assert second.url == url
        assert second.books.edits == before.edits
        assert second.books.starts == before.starts
        async with http.get(result) as answer:
            assert answer.status == 200
        await send(second, body_of())
        assert (second.books.posts, second.books.billed) == (2, 2)
    assert not half_written(tmp_path)


async def test_state_takes_another_port_when_the_remembered_one_is_taken(tmp_path: Path) -> None:
    settings = SandboxSettings(state=tmp_path)
    async with Sandbox(settings) as first, Sandbox(settings) as second:
        assert second.url != first.url


def append(file: Path, data: bytes) -> None:
    with file.open("ab") as books:
        books.write(data)


async def test_state_drops_a_line_that_was_cut_off(
    send: Send,
    body_of: BodyOf,
    tmp_path: Path,
) -> None:
    settings = SandboxSettings(state=tmp_path)
    async with Sandbox(settings) as first:
        await send(first, body_of())
    append(tmp_path / "books.jsonl", b'["billed", "abc')
    for posts in (2, 3):
        async with Sandbox(settings) as again:
            await send(again, body_of())
            assert (again.books.posts, again.books.billed) == (posts, posts)


async def test_state_that_is_no_books_is_refused(tmp_path: Path) -> None:
    (tmp_path / "books.jsonl").write_text("[1, 2]\n")
    with pytest.raises(SandboxError, match="cannot be kept"):
        async with Sandbox(SandboxSettings(state=tmp_path)):
            pass


async def test_taken_port_is_refused_with_its_name() -> None:
    async with Sandbox(SandboxSettings()) as first:
        port = int(first.base_url.rpartition(":")[2])
        with pytest.raises(SandboxError, match=f"port {port}"):
            async with Sandbox(SandboxSettings(port=port)):
                pass


async def test_serve_announces_its_endpoint_once_it_answers() -> None:
    announced: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.ensure_future(serve(SandboxSettings(), announce=announced.put_nowait))
    line = await announced.get()
    url = line.split()[-1]
    async with ClientSession() as http, http.get(url) as answer:
        assert answer.status == 405
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


SERVER = """
import asyncio, sys
from pathlib import Path
from qwenbatch.sandbox import SandboxSettings, serve
settings = SandboxSettings(state=Path(sys.argv[1]))
asyncio.run(serve(settings, announce=lambda line: print(line, flush=True)))
"""


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    started: list[asyncio.subprocess.Process] = []

    async def run() -> tuple[asyncio.subprocess.Process, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            SERVER,
            str(tmp_path),
            stdout=asyncio.subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout is not None
        line = await process.stdout.readline()
        return process, line.decode().split()[-1]

    yield run
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_books_and_results_survive_a_kill(
    start: Callable[[], Awaitable[Any]],
    headers: dict[str, str],
    body_of: BodyOf,
) -> None:
    process, url = await start()
    async with ClientSession() as http:
        async with http.post(url, json=body_of(), headers=headers) as answer:
            told = await answer.json()
        process.send_signal(signal.SIGKILL)
        await process.wait()
    _, again = await start()
    assert again == url
    base = url.partition("/qwen-image")[0]
    async with ClientSession() as http:
        async with http.get(f"{base}/books") as answer:
            books = await answer.json()
        result = told["output"]["choices"][0]["message"]["content"][0]["image"]
        async with http.get(result) as answer:
            assert answer.status == 200
    assert (books["posts"], books["billed"], books["in_flight"]) == (1, 1, 0)
    assert list(books["requests"]) == [told["request_id"]]
