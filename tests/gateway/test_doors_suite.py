"""What every door to the model must do, held against the sandbox's door of its name.

A new door is one file in `qwenbatch/gateway/doors/` that passes this.
"""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import anyio.lowlevel
import pytest
from PIL import Image

from qwenbatch.core.items import FileSource, InlineSource
from qwenbatch.core.limits import PictureForm
from qwenbatch.core.replies import Answered, Broken, Withheld
from qwenbatch.core.sources import SourceFacts
from qwenbatch.core.verdicts import Kind
from qwenbatch.errors import DiskError
from qwenbatch.gateway import client as client_module
from qwenbatch.gateway.body import RequestBody
from qwenbatch.gateway.door import Order
from qwenbatch.gateway.doors import DOORS
from qwenbatch.imaging.sources import examine_source
from qwenbatch.imaging.transit import CHUNK, Carrier
from qwenbatch.sandbox import Conduct, Fault, FaultKind, Sandbox, SandboxSettings
from qwenbatch.sandbox.faults import TABLE_KINDS
from qwenbatch.sandbox.fronts import FRONTS
from tests.gateway.expected import expected_kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from qwenbatch.core.replies import Reply
    from qwenbatch.gateway.client import GatewayClient
    from qwenbatch.gateway.door import Door

    ClientFor = Callable[..., GatewayClient]

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys()),
]

KEY = "a-key-of-22-characters"
PIECE = 65_536
TEXTS = ["sepia", 'say "hi"\r\n--\\ & <b>', "把背景换成白色 🖼", "x" * 20_000]


class Album:
    """Keeps pictures in memory, on a disk that may fail."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.pieces: list[bytes] = []
        self.kept = False

    async def write(self, piece: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        if self.failing == "write":
            raise DiskError("the disk is full")
        self.pieces.append(piece)

    async def keep(self) -> str:
        await anyio.lowlevel.checkpoint()
        if self.failing == "keep":
            raise DiskError("the disk is full")
        self.kept = True
        return "answer:1"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxSettings(key=KEY)) as opened:
        yield opened


@pytest.fixture
def picture(images: Path) -> bytes:
    return (images / "chelsea.png").read_bytes()


@pytest.fixture
def body(door: Door, picture: bytes, pieces: Any) -> Callable[..., RequestBody]:
    """A request for an edit of a photograph, or of what is given in its place."""

    def build(order: Order | None = None, data: bytes = picture, **options: Any) -> RequestBody:
        if door.limits.form is PictureForm.DATA_URI:
            data = b"data:image/png;base64," + base64.b64encode(data)
        image = pieces([data[at : at + PIECE] for at in range(0, len(data), PIECE)], **options)
        return RequestBody(image, door.frame(order or Order(instruction="sepia"), "image/png"))

    return build


def kind_in(reply: Reply) -> Kind | None:
    return Kind.SOURCE_CHANGED if isinstance(reply, Withheld) else reply.kind


async def result_of(reply: Reply, album: Album) -> bytes:
    """The picture, from wherever the answer says that it is."""
    assert isinstance(reply, Answered)
    assert reply.answer.url is not None
    if album.kept:
        assert reply.answer.url == "answer:1"
        return b"".join(album.pieces)
    async with aiohttp.request("GET", reply.answer.url) as found:
        return await found.read()


@pytest.mark.parametrize("text", TEXTS, ids=["plain", "signs", "letters", "long"])
async def test_door_has_a_picture_edited(
    sandbox: Sandbox,
    client_for: ClientFor,
    body: Callable[..., RequestBody],
    door: Door,
    text: str,
) -> None:
    order = Order(instruction=text, negative_prompt=text[:100], take=3)
    album, request = Album(), body(order)
    async with client_for(sandbox.urls[door.name], door=door, key=KEY) as client:
        reply = await client.post(request, album)
    result = Image.open(BytesIO(await result_of(reply, album)), formats=("PNG",))
    result.load()
    assert isinstance(reply, Answered)
    assert (reply.answer.usage.width, reply.answer.usage.height) == result.size
    assert reply.answer.request_id in sandbox.books.requests
    (edit,) = sandbox.books.edits.values()
    assert edit.instruction == text[:80]
    assert sandbox.books.billed == 1
    assert request.handed_over


async def test_door_understands_every_way_in_which_its_answers_come(
    sandbox: Sandbox,
    client_for: ClientFor,
    body: Callable[..., RequestBody],
    door: Door,
) -> None:
    variants = FRONTS[door.name].variants
    assert {variant.kind for variant in variants} >= TABLE_KINDS
    wrong = []
    for variant in variants:
        sandbox.script(Fault(kind=variant.kind, variant=variant.name, billed=False))
        timeout = 0.3 if variant.conduct is Conduct.NEVER else 20.0
        # Whoever is to be cut off while sending must have more to send than a socket holds.
        size = 1_000_000 if variant.kind is FaultKind.UNREACHABLE else 1_000
        url = sandbox.urls[door.name]
        async with client_for(url, door=door, key=KEY, timeout=timeout) as client:
            reply = await client.post(body(data=b"no picture" * size), Album())
        if kind_in(reply) != expected_kind(variant):
            wrong.append((variant.kind, variant.name, kind_in(reply)))
    assert wrong == []
    assert sandbox.books.posts == len(variants)


async def test_door_is_told_how_long_to_wait(
    sandbox: Sandbox,
    client_for: ClientFor,
    body: Callable[..., RequestBody],
    door: Door,
) -> None:
    named = next(
        variant
        for variant in FRONTS[door.name].variants
        if ("Retry-After", "1") in variant.headers and variant.kind is FaultKind.THROTTLED
    )
    sandbox.script(Fault(kind=named.kind, variant=named.name))
    async with client_for(sandbox.urls[door.name], door=door, key=KEY) as client:
        reply = await client.post(body(), Album())
    assert isinstance(reply, Answered)
    assert (reply.kind, reply.answer.retry_after) == (Kind.THROTTLED, 1.0)


async def test_door_without_its_key_is_denied(
    sandbox: Sandbox,
    client_for: ClientFor,
    body: Callable[..., RequestBody],
    door: Door,
) -> None:
    async with client_for(sandbox.urls[door.name], door=door, key="another-key") as client:
        assert kind_in(await client.post(body(), Album())) is Kind.DENIED
    assert sandbox.books.billed == 0


async def test_door_that_lacks_its_last_chunk_makes_no_edit(
    sandbox: Sandbox,
    body: Callable[..., RequestBody],
    door: Door,
) -> None:
    """Sent under a length of its own, so that the server has all that it will ever have."""
    request = body()
    chunks = [chunk async for chunk in request.chunks()]
    front = FRONTS[door.name]
    headers = {
        "Content-Type": request.content_type,
        "Cache-Control": "no-cache",
        "Ocp-Apim-Subscription-Key": KEY,
        "Authorization": f"Bearer {KEY}",
    }
    async with aiohttp.request(
        "POST", sandbox.urls[front.name], data=BytesIO(b"".join(chunks[:-1])), headers=headers
    ) as answer:
        assert 400 <= answer.status < 500
    assert sandbox.books.billed == 0


@pytest.mark.parametrize(
    "options", [{"changed": True}, {"error": OSError(5, "gone")}], ids=["changed", "gone"]
)
async def test_door_bills_no_source_that_changed(
    sandbox: Sandbox,
    client_for: ClientFor,
    body: Callable[..., RequestBody],
    door: Door,
    options: dict[str, Any],
) -> None:
    async with client_for(sandbox.urls[door.name], door=door, key=KEY) as client:
        reply = await client.post(body(**options), Album())
        books = await sandbox.until(lambda books: not books.in_flight)
    assert isinstance(reply, Withheld)
    assert (books.billed, books.posts) == (0, 1)


@pytest.mark.parametrize("reads", [False, True], ids=["before the last chunk", "after it"])
async def test_door_cut_off_is_uncertain_only_after_its_last_chunk(
    serve: Callable[..., Any],
    client_for: ClientFor,
    body: Callable[..., RequestBody],
    door: Door,
    *,
    reads: bool,
) -> None:
    async def handler(peer: Any) -> None:
        await (peer.request() if reads else peer.head())
        peer.reset()

    async with serve(handler) as server, client_for(server.url, door=door) as client:
        reply = await client.post(body(data=b"x" * 10_000_000), Album())
    assert isinstance(reply, Broken)
    assert reply.kind is (Kind.CUT_OFF if reads else Kind.UNREACHABLE)


async def test_door_shows_its_key_in_one_header_and_redacts_it(
    serve: Callable[..., Any],
    say: Callable[..., bytes],
    client_for: ClientFor,
    body: Callable[..., RequestBody],
    door: Door,
) -> None:
    told = {"error": f"no such key: {KEY}", "message": KEY, "code": KEY, "request_id": KEY}

    async def handler(peer: Any) -> None:
        await peer.request()
        peer.say(say(401, json.dumps(told).encode(), f"X-Request-Id: {KEY}"))

    async with serve(handler) as server, client_for(server.url, door=door, key=KEY) as client:
        reply = await client.post(body(), Album())
    assert isinstance(reply, Answered)
    assert reply.kind is Kind.DENIED
    assert KEY not in repr(reply)
    (sent,) = server.requests
    assert sent.count(KEY.encode()) == 1
    words = [word for word in (door.key.scheme, KEY) if word]
    assert f"{door.key.name}: {' '.join(words)}\r\n".encode() in sent


async def test_door_reads_a_source_in_chunks_whatever_its_size(
    tmp_path: Path,
    picture: bytes,
    door: Door,
) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(picture + bytes(6_000_000))
    facts = examine_source(FileSource(str(path)))
    assert isinstance(facts, SourceFacts)
    carrier = Carrier(scratch=tmp_path, cores=1, limits=door.limits)
    async with carrier.ready(FileSource(str(path)), facts) as cargo:
        assert cargo is not None
        request = RequestBody(cargo, door.frame(Order(instruction="sepia"), cargo.media_type))
        sizes = [len(chunk) async for chunk in request.chunks()]
    assert sum(sizes) == request.length
    assert max(sizes) <= CHUNK * 4 // 3 + 100


async def test_door_sends_the_very_bytes_of_a_sound_picture(
    sandbox: Sandbox,
    client_for: ClientFor,
    tmp_path: Path,
    picture: bytes,
    door: Door,
) -> None:
    """From a file, and from a data URI in a manifest, where they are base64."""
    (tmp_path / "a.png").write_bytes(picture)
    text = base64.b64encode(picture)
    (tmp_path / "m.jsonl").write_bytes(b"xx" + text)
    inline = InlineSource(manifest=str(tmp_path / "m.jsonl"), offset=2, length=len(text))
    sources: list[FileSource | InlineSource] = [FileSource(str(tmp_path / "a.png")), inline]
    carrier = Carrier(scratch=tmp_path, cores=1, limits=door.limits)
    for source in sources:
        facts = examine_source(source)
        assert isinstance(facts, SourceFacts)
        async with (
            client_for(sandbox.urls[door.name], door=door, key=KEY) as client,
            carrier.ready(source, facts) as cargo,
        ):
            assert cargo is not None
            frame = door.frame(Order(instruction="sepia"), cargo.media_type)
            assert kind_in(await client.post(RequestBody(cargo, frame), Album())) is None
    (edit,) = sandbox.books.edits.values()
    assert edit.image == sha256(picture).hexdigest()
    assert edit.billed == 2


@pytest.mark.parametrize("failing", ["write", "keep"])
async def test_door_whose_answer_the_disk_does_not_take_says_so(
    sandbox: Sandbox,
    client_for: ClientFor,
    body: Callable[..., RequestBody],
    door: Door,
    failing: str,
) -> None:
    request = body()
    async with client_for(sandbox.urls[door.name], door=door, key=KEY) as client:
        if door.pictures:
            with pytest.raises(DiskError):
                await client.post(request, Album(failing))
        else:
            assert kind_in(await client.post(request, Album(failing))) is None
    assert request.handed_over


async def test_door_takes_no_picture_beyond_its_bound(
    sandbox: Sandbox,
    client_for: ClientFor,
    body: Callable[..., RequestBody],
    door: Door,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "MAX_PICTURE_BYTES", 10_000)
    album = Album()
    async with client_for(sandbox.urls[door.name], door=door, key=KEY) as client:
        reply = await client.post(body(), album)
    assert kind_in(reply) is (Kind.UNREADABLE if door.pictures else None)
    assert sum(map(len, album.pieces)) <= 10_000
    assert not album.kept
