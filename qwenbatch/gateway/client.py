"""The client that shows the key: one POST, and what came of it.

Every POST has a connection of its own. Beside an edit of many seconds a handshake is nothing,
and it rules out what a kept connection brings: a server that closes it just as the body goes out
(nobody knows whether the edit ran), and a stray answer taken for the next edit's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, Self

import anyio
import msgspec
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from msgspec.structs import replace
from yarl import URL

from qwenbatch.core.replies import Answered, Broken, Withheld
from qwenbatch.core.verdicts import Kind, Verdict, kind_of, verdict_of
from qwenbatch.errors import UsageError
from qwenbatch.gateway.lifting import Lifter
from qwenbatch.gateway.patience import Patience
from qwenbatch.gateway.patient_socket import patient_socket
from qwenbatch.gateway.proxies import DEMANDS_PASSWORD, PASSWORD_HEADER, Proxies
from qwenbatch.gateway.reasons import NETWORK_ERRORS, REFUSED_BY_PROXY, reason_of
from qwenbatch.gateway.redaction import Redactor
from qwenbatch.gateway.secret_header import SecretHeader
from qwenbatch.gateway.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from qwenbatch.core.replies import Reply
    from qwenbatch.core.subscription_key import SubscriptionKey
    from qwenbatch.gateway.body import RequestBody
    from qwenbatch.gateway.door import Door

CONNECT_SECONDS = 10.0
"""The longest that a connection may take: name, TCP and TLS together."""

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""The longest answer that is read; a longer one is as if cut off there."""

MAX_RAW_BYTES = 1024 * 1024
"""How much of an answer's body is kept."""

MAX_PICTURE_BYTES = 64 * 1024 * 1024
"""The largest picture that is taken out of an answer: a larger one could not be placed either."""


class Album(Protocol):
    """Keeps the picture that comes within one answer. Every failure of the disk is a DiskError."""

    async def write(self, piece: bytes) -> None:
        """The picture's next bytes."""

    async def keep(self) -> str:
        """It came whole: make it durable. The URL under which it is found."""


class _Heard(msgspec.Struct):
    """What of an answer has come so far, but for a picture that was lifted out of it."""

    lifter: Lifter
    status: int | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytearray = msgspec.field(default_factory=bytearray)
    picture_bytes: int = 0
    picture_url: str | None = None


class GatewayClient:
    """Sends edits, for as long as its context is open.

    `url` is the whole endpoint, which `door` says how to speak to; `timeout` is in seconds, once
    for the upload and once more for the answer; `wall` tells seconds since the epoch.

    Raises UsageError if the URL is none.
    """

    def __init__(
        self,
        *,
        door: Door,
        url: str,
        key: SubscriptionKey | None,
        timeout: float,
        wall: Callable[[], float],
        user_agent: str,
        proxies: Proxies | None = None,
    ) -> None:
        self._door = door
        self._url = _endpoint(url)
        self._headers = {"Accept": "application/json", "User-Agent": user_agent, **door.headers}
        self._key = key
        self._redactor = Redactor(key)
        self._timeout = timeout
        self._wall = wall
        self._proxy = (proxies or Proxies()).way_to(self._url)
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = ClientSession(
            connector=TCPConnector(limit=0, force_close=True, socket_factory=patient_socket),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None),
            trust_env=False,
            skip_auto_headers=("Accept-Encoding",),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            # When it is cancelled too, or what is left open would be told of on stderr.
            with anyio.move_on_after(CONNECT_SECONDS, shield=True):
                await self._session.close()

    async def post(self, body: RequestBody, album: Album | None = None) -> Reply:
        """Send one edit and wait for its answer. Only cancellation and defects are raised.

        A picture that comes within the answer goes to `album`, whose DiskError is raised too, and
        is durable when this returns; without an album it is left out.

        When it returns or raises, the body's source is no longer read from. An answer whose own
        body broke off counts by what of it came. One that leaves open whether the edit ran, but
        came before the last chunk went out, leaves nothing open: that is unreachable.
        """
        with anyio.CancelScope() as scope:
            patience = Patience(scope, CONNECT_SECONDS)
            upload = Upload(body, on_progress=lambda: patience.grant(self._timeout))
            heard = _Heard(Lifter(self._door.pictures, self._door.picture_urls))
            try:
                reason = await self._exchange(upload, heard, album)
            finally:
                patience.end()
        if scope.cancelled_caught:
            reason = self._overdue(upload, body)
        if upload.defect is not None:
            raise upload.defect
        if album is not None and heard.lifter.lifted and _is_picture(heard.picture_bytes):
            heard.picture_url = await album.keep()
        return self._reply(body, heard, reason)

    async def _exchange(self, upload: Upload, heard: _Heard, album: Album | None) -> str:
        """Send and listen; why no answer came, if none did."""
        try:
            await self._listen(upload, heard, album)
        except NETWORK_ERRORS as error:
            return reason_of(error)
        finally:
            # Nothing more is said here. Else what is left of the body would go on being sent to
            # a server that may never read it, and TLS would wait for the server's goodbye.
            upload.abort()
            if not upload.has_ended:
                with anyio.CancelScope(shield=True):
                    await upload.wait_ended()
        return ""

    async def _listen(self, upload: Upload, heard: _Heard, album: Album | None) -> None:
        if self._session is None:
            raise RuntimeError("the client is used outside its context")
        to_gateway, to_proxy = self._shown(upload.content_type)
        async with self._session.post(
            self._url,
            data=upload,
            headers=to_gateway,
            allow_redirects=False,
            proxy=None if self._proxy is None else self._proxy.url,
            proxy_headers=to_proxy,
        ) as response:
            heard.headers = response.headers
            heard.status = response.status
            while data := await response.content.readany():
                if self._door.brings_pictures:
                    data, picture = heard.lifter.feed(data)
                    heard.picture_bytes += len(picture)
                    if picture and album is not None and _is_picture(heard.picture_bytes):
                        await album.write(picture)
                heard.body += data[: MAX_ANSWER_BYTES - len(heard.body)]
                over = heard.picture_bytes > MAX_PICTURE_BYTES
                if over or len(heard.body) >= MAX_ANSWER_BYTES:
                    response.close()
                    return

    def _shown(self, content_type: str) -> tuple[dict[str, str], dict[str, str] | None]:
        """The headers of the request, and those of a CONNECT, if there is one."""
        request = {**self._headers, "Content-Type": content_type, **self._door.key.shown(self._key)}
        if self._proxy is None:
            return request, None
        password = self._proxy.authorization
        secret = {} if password is None else {PASSWORD_HEADER: SecretHeader(password)}
        if self._url.scheme == "https":
            return request, {"User-Agent": self._headers["User-Agent"]} | secret
        return request | secret, None

    def _overdue(self, upload: Upload, body: RequestBody) -> str:
        if not upload.started:
            return f"no connection within {CONNECT_SECONDS:g} s"
        if not body.handed_over:
            return f"the upload took longer than {self._timeout:g} s"
        return f"no answer within {self._timeout:g} s"

    def _reply(self, body: RequestBody, heard: _Heard, reason: str) -> Reply:
        if heard.status is None:
            if body.withheld:
                return Withheld(changed=not body.barred)
            return Broken(Kind.CUT_OFF if body.handed_over else Kind.UNREACHABLE, reason)
        if self._proxy is not None and heard.status == DEMANDS_PASSWORD:
            # Over plain http: a tunnel that is refused never gets as far as a status of its own.
            return Broken(Kind.UNREACHABLE, REFUSED_BY_PROXY.format(heard.status))
        raw = bytes(heard.body)
        answer = self._door.read(
            status=heard.status,
            headers=heard.headers,
            body=raw,
            now=self._wall(),
        )
        answer = self._redactor.answer(answer)
        if heard.picture_url is not None:
            answer = replace(answer, url=heard.picture_url)
        kind = kind_of(answer, self._door.rules)
        if not body.handed_over and verdict_of(kind) is Verdict.UNCERTAIN:
            if body.withheld:
                return Withheld(changed=not body.barred)
            return Broken(
                Kind.UNREACHABLE,
                f"status {heard.status} came before the request was sent whole",
            )
        return Answered(answer, self._redactor.data(raw[:MAX_RAW_BYTES]), kind)


def _is_picture(size: int) -> bool:
    """Whether so many bytes can be a picture that is kept."""
    return 0 < size <= MAX_PICTURE_BYTES


def _endpoint(text: str) -> URL:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise UsageError(
            "the gateway's address is no http(s) URL",
            "give the whole endpoint, such as https://host/path",
        )
    return url
