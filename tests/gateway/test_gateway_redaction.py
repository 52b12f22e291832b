from __future__ import annotations

import json
import pickle
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.replies import Answered
from qwenbatch.core.subscription_key import SubscriptionKey
from qwenbatch.core.verdicts import Answer
from qwenbatch.errors import UsageError
from qwenbatch.gateway.redaction import MASK, Redactor
from qwenbatch.sandbox import SandboxSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwenbatch.gateway.client import GatewayClient

SECRET = "0f3a9c57-Key/of=16&more"
KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40).filter(
    lambda text: "*" not in text
)
ANY = st.text(max_size=40)


def spelt(letter: str, way: int) -> str:
    """A letter in one of the ways in which servers write it."""
    code = ord(letter)
    return (
        letter,
        f"\\u{code:04x}",
        f"\\u{code:04X}",
        f"%{code:02X}",
        f"%25{code:02x}",
        f"&#{code};",
        f"&#x{code:x};",
        letter.swapcase(),
    )[way]


@given(KEYS, ANY, ANY, st.data())
def test_redaction_finds_a_key_however_it_is_written(
    key: str, before: str, after: str, data: st.DataObject
) -> None:
    ways = data.draw(st.lists(st.integers(0, 7), min_size=len(key), max_size=len(key)))
    written = "".join(map(spelt, key, ways))
    shown = Redactor(SubscriptionKey(key)).text(f"{before}\n{written}\n{after}")
    assert written not in shown
    assert key.casefold() not in shown.casefold()


@given(st.text("0123456789-", min_size=8, max_size=40), st.text("abcdefXYZ&;\\/ é\0", max_size=80))
def test_redaction_keeps_what_holds_no_key(key: str, text: str) -> None:
    assert Redactor(SubscriptionKey(key)).text(text) == text


@given(KEYS, ANY)
def test_redaction_reads_json_and_its_escapes(key: str, before: str) -> None:
    redactor = Redactor(SubscriptionKey(key))
    body = json.dumps({"error": f"{before} {key} is no key"}).replace("/", "\\/").encode()
    shown = redactor.data(body)
    assert len(shown) <= len(body)
    assert key.casefold() not in json.loads(shown)["error"].casefold()


@given(KEYS, ANY, st.sampled_from(["utf-16", "utf-16-be", "utf-32", "utf-32-le"]))
def test_redaction_sees_through_wide_letters(key: str, before: str, encoding: str) -> None:
    text = f"{before.encode('utf-16', 'ignore').decode('utf-16')}\n{key}."
    shown = Redactor(SubscriptionKey(key)).data(text.encode(encoding))
    assert key.encode(encoding.removesuffix("-be").removesuffix("-le") + "-le") not in shown
    assert key.encode(encoding.removesuffix("-be").removesuffix("-le") + "-be") not in shown


@given(KEYS, st.integers(6, 39))
def test_redaction_takes_out_a_key_that_is_cut_off(key: str, length: int) -> None:
    start = key[: min(length, len(key) - 1)]
    assert Redactor(SubscriptionKey(key)).text(f"no such key: {start}").endswith(MASK)


def test_redaction_leaves_a_key_that_is_a_common_word() -> None:
    redactor = Redactor(SubscriptionKey("sandbox"))
    assert redactor.text("the sandbox refuses: sandbox") == "the sandbox refuses: sandbox"


def test_redaction_covers_every_text_of_an_answer() -> None:
    said = dict.fromkeys(("url", "code", "message", "request_id"), f"<{SECRET}>")
    shown = Redactor(SubscriptionKey(SECRET)).answer(Answer(status=200, **said))  # type: ignore[arg-type] # texts
    assert {name: getattr(shown, name) for name in said} == dict.fromkeys(said, f"<{MASK}>")


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{0!r:>40}".format, ascii])
def test_a_key_shows_itself_to_nobody(show: Callable[[object], str]) -> None:
    assert SECRET not in show(SubscriptionKey(SECRET))


def test_a_sandboxes_settings_do_not_show_its_key() -> None:
    assert SECRET not in repr(SandboxSettings(key=SECRET))


def test_a_key_is_not_stored() -> None:
    with pytest.raises(TypeError, match="not to be stored"):
        pickle.dumps(SubscriptionKey(SECRET))


@pytest.mark.parametrize("text", ["", "two words", "line\nend", "schlüssel"])
def test_a_key_that_no_header_takes_is_refused_unshown(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        SubscriptionKey(text)
    assert not text or text not in str(refused.value)


@pytest.mark.anyio
async def test_client_shows_the_key_in_no_frame_and_no_object(
    serve: Callable[..., Any],
    body_for: Callable[..., Any],
    client_for: Callable[..., GatewayClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str] = []

    async def handler(peer: Any) -> None:
        await peer.head()
        peer.writer.close()

    def tell(error: Exception) -> str:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        shown.extend(told.format())
        return "said"

    monkeypatch.setattr("qwenbatch.gateway.client.reason_of", tell)
    async with serve(handler) as server, client_for(server.url, key=SECRET) as client:
        await client.post(body_for())
        shown.append(repr(vars(client)))
    assert "ocp-apim" in "".join(shown).lower(), "the headers stand in some frame"
    assert SECRET not in "".join(shown)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_client_takes_its_key_out_of_what_a_server_says(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    body_for: Callable[..., Any],
    client_for: Callable[..., GatewayClient],
    *,
    status: int,
) -> None:
    told = {
        "error": f"key {SECRET} at https://h/x?sig={quote(SECRET)}",
        "message": "see https://h.test/p.png?sig=signature",
        "code": SECRET,
        "request_id": f"r-{SECRET}",
    }

    async def handler(peer: Any) -> None:
        await peer.request()
        body = json.dumps(told).encode()
        peer.say(say(status, body, f"X-Key: {SECRET}", f"Set-Cookie: k={SECRET}"))

    async with serve(handler) as server, client_for(server.url, key=SECRET) as client:
        reply = await client.post(body_for())
    assert SECRET not in repr(reply)
    assert quote(SECRET) not in repr(reply)
    assert isinstance(reply, Answered)
    assert "***" in reply.answer.message
    assert "signature" not in reply.answer.message
    assert reply.answer.request_id == "r-***"
