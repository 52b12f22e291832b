from __future__ import annotations

import asyncio
import json
import math
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import strategies as st

from qwenbatch.core.replies import Answered, Broken
from qwenbatch.core.results import Unfetched
from qwenbatch.core.retry import RetryPolicy, Tally, after_attempt
from qwenbatch.core.subscription_key import SubscriptionKey
from qwenbatch.core.verdicts import kind_of
from qwenbatch.gateway.answers import read_answer
from qwenbatch.gateway.body import RequestBody, UrlText
from qwenbatch.gateway.client import GatewayClient
from qwenbatch.gateway.door import Order
from qwenbatch.gateway.doors.pixazo import PIXAZO
from qwenbatch.gateway.fetch import ResultFetcher
from qwenbatch.gateway.fetch_limits import FetchLimits
from qwenbatch.gateway.retry_after import MAX_WAIT, seconds_to_wait
from qwenbatch.sandbox import VARIANTS
from tests.fuzz.conftest import changed, changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fuzz.conftest import Fuzz

pytestmark = pytest.mark.fuzz

NOW = 1_750_000_000.0
URL = "https://pub-1.r2.dev/qwen-image-edit/a.png?sig=1"
SECONDS_MOST = 5.0
SAID = [each.answer(result_url=URL, now=NOW) for each in VARIANTS if each.status is not None]
BODIES = [said.body for said in SAID if len(said.body) < 100_000]
TOKENS = (
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"-1",
    b"1e400",
    b"NaN",
    b"9" * 5000,
    b"[" * 100_000,
    b'{"output":' * 20_000,
    b"\\ud800",
    b"\\u0000",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\0",
    b'"url"',
    b"http://",
    b"javascript:",
)
NAMES = (
    "output",
    "choices",
    "message",
    "content",
    "image",
    "status_code",
    "statusCode",
    "code",
    "error",
    "request_id",
    "usage",
    "width",
    "height",
    "activityId",
    "text",
    "success",
)

_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from([URL, "200", "429", "Throttling", "DataInspectionFailed", "\ud800", ""]),
)
JSON = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=5)), inner, max_size=6),
    ),
    max_leaves=30,
)
WORDS = st.one_of(
    st.text(max_size=40),
    st.floats().map(str),
    st.integers().map(str),
    st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT")),
    st.sampled_from(["1e309", "-0", "0x10", "١٢", "1_000", "Sun, 99 Foo 9999 99:99:99 +9999"]),
)
MESSAGES = st.one_of(
    st.text(max_size=60),
    st.from_regex(r"Try again in [0-9]{1,15} seconds", fullmatch=True),
    st.from_regex(r"replenished in [0-9]{0,7}\.?[0-9]{1,4}:[0-9]{2}:[0-9]{2}", fullmatch=True),
)


def check_answer(status: int, headers: dict[str, str], body: bytes) -> None:
    began = time.monotonic()
    answer = read_answer(status=status, headers=headers, body=body, now=NOW)
    kind = kind_of(answer)
    assert after_attempt(kind, Tally(), RetryPolicy(), 0.5).event is not None
    texts = (answer.code, answer.message, answer.request_id, answer.url or "")
    assert all(isinstance(text.encode(), bytes) for text in texts)
    wait = answer.retry_after
    assert wait is None or (0 <= wait <= MAX_WAIT and math.isfinite(wait))
    assert time.monotonic() - began < SECONDS_MOST


def test_answer_fuzzed_is_a_verdict(fuzz: Fuzz) -> None:
    mutants = st.builds(changed, st.sampled_from(BODIES), changes(TOKENS))
    odd = JSON.map(lambda value: json.dumps(value).encode())
    bodies = st.one_of(mutants, mutants, odd, st.binary(max_size=200))
    headers = st.dictionaries(st.sampled_from(["Retry-After", "retry-after", "X"]), WORDS)
    statuses = st.one_of(st.integers(100, 599), st.sampled_from([200, 429, 500]))
    fuzz(st.tuples(statuses, headers, bodies), lambda value: check_answer(*value))


def test_retry_after_fuzzed_is_a_bounded_wait(fuzz: Fuzz) -> None:
    def check(value: tuple[str | None, str]) -> None:
        wait = seconds_to_wait(value[0], value[1], now=NOW)
        assert wait is None or 0 <= wait <= MAX_WAIT

    fuzz(st.tuples(st.one_of(st.none(), WORDS), MESSAGES), check)


# ---------------------------------------------------------------------- over a socket


def head(status: int, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode()


WHOLE = [
    head(200, f"Content-Length: {len(body)}", "Content-Type: application/json") + body
    for body in BODIES[:40]
]
WHOLE += [
    head(429, "Retry-After: 7", "Content-Length: 0"),
    head(200, "Transfer-Encoding: chunked") + b"5\r\nabcde\r\n0\r\n\r\n",
    head(200, "Content-Encoding: gzip", "Content-Length: 3") + b"abc",
    head(302, "Location: http://127.0.0.1:9/", "Content-Length: 0"),
    head(100) + head(200, "Content-Length: 2") + b"{}",
]
HTTP_TOKENS = (
    *TOKENS,
    b"\r\n",
    b"\r\n\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: br\r\n",
    b"Content-Encoding: zstd\r\n",
    b"Location: //\r\n",
    b"Location: http://[\r\n",
    b"Set-Cookie: a=b\r\n",
    b"ffffffffffffffff\r\n",
    b"HTTP/9.9 999 \r\n",
    b"x" * 9000,
)


async def answered(said: bytes, ask: Callable[[str], Any]) -> None:
    """A server that says this to whoever comes, once their request is in, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            if b"ontent-Length: " in request:
                length = request.split(b"ontent-Length: ")[1].split(b"\r\n")[0]
                await reader.readexactly(int(length))
            writer.write(said)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with anyio.fail_after(SECONDS_MOST):
            await ask(f"http://127.0.0.1:{port}/edit")
    finally:
        server.close()
        await server.wait_closed()


async def post(url: str) -> None:
    client = GatewayClient(
        door=PIXAZO,
        url=url,
        key=SubscriptionKey("k"),
        timeout=2.0,
        wall=lambda: NOW,
        user_agent="fuzz",
    )
    frame = PIXAZO.frame(Order(instruction="sepia"), "")
    body = RequestBody(UrlText("https://images.test/a.png"), frame)
    async with client:
        assert isinstance(await client.post(body), Answered | Broken)


async def fetch(url: str) -> None:
    received = 0

    async def sink(chunk: bytes) -> None:
        nonlocal received
        received += len(chunk)

    limits = FetchLimits(total=2.0, window=1.0, size=1024 * 1024)
    async with ResultFetcher(gateway_url=url, user_agent="fuzz", limits=limits) as fetcher:
        assert isinstance(await fetcher.stream(url, sink), Unfetched | None)
    assert received <= limits.size


@pytest.mark.parametrize("ask", [post, fetch])
def test_server_fuzzed_is_answered_with_a_value(fuzz: Fuzz, ask: Callable[[str], Any]) -> None:
    said = st.builds(changed, st.sampled_from(WHOLE), changes(HTTP_TOKENS, most=4))
    fuzz(said, lambda value: anyio.run(answered, value, ask))
