"""Fetches the source that a request names by its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TooManyRedirects,
)

from qwenbatch.sandbox.refusal import refused_by_model

if TYPE_CHECKING:
    from qwenbatch.sandbox.refusal import RefusalError

FETCH_SECONDS = 10.0
MAX_SOURCE_BYTES = 20_000_000
MAX_REDIRECTS = 5
_PIECE_BYTES = 65_536


def source_session(*, seconds: float = FETCH_SECONDS) -> ClientSession:
    """A session without cookies or proxies, in which one fetch takes `seconds` at most."""
    return ClientSession(timeout=ClientTimeout(total=seconds), cookie_jar=DummyCookieJar())


async def fetch_source(session: ClientSession, url: str) -> bytes:
    """The bytes behind `url`; RefusalError as the service words it if they cannot be had."""
    try:
        # aiohttp counts the redirect that it refuses.
        async with session.get(
            url,
            max_redirects=MAX_REDIRECTS + 1,
            raise_for_status=True,
        ) as response:
            data = bytearray()
            async for piece in response.content.iter_chunked(_PIECE_BYTES):
                data += piece
                if len(data) > MAX_SOURCE_BYTES:
                    raise refused_by_model("BadRequest.TooLarge", "Payload Too Large")
            return bytes(data)
    except TimeoutError:
        raise _unreachable(
            "InvalidParameter.DataInspection",
            "Download the media resource timed out during the data inspection process.",
        ) from None
    except TooManyRedirects:
        raise _unreachable("InvalidURL.TooManyRedirects", "Too many redirects.") from None
    except ClientResponseError as error:
        raise _unreachable("InvalidURL.BadStatus", f"The URL answered {error.status}.") from None
    except ClientConnectorError:
        raise _unreachable("InvalidURL.ConnectionRefused", "Connection refused.") from None
    except (ClientError, ValueError, OSError):
        raise _unreachable("InvalidURL", "The request URL is invalid.") from None


def _unreachable(code: str, message: str) -> RefusalError:
    return refused_by_model(code, message, outcome="refused_source_unreachable")
