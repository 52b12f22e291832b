"""Pictures in stores, for a report: fetched to temporary files, gone once they are looked at."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec

from qwenbatch.core.store_url import is_store_url, parse_store_url
from qwenbatch.errors import ManifestError, PictureError, StoreError
from qwenbatch.stores.failures import MissingError
from qwenbatch.wiring.manifests import local_copy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.core.items import InlineSource
    from qwenbatch.core.store_url import StoreUrl
    from qwenbatch.stores.opening import Stores
    from qwenbatch.stores.sight import Sight

_IN_MEMORY = 4 * 1024 * 1024


class Objects:
    """Opens objects as files, and manifests that pictures stand in; close it in the end."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._copies: dict[str, str] = {}
        self._stack = ExitStack()
        self._lock = Lock()

    def close(self) -> None:
        """Remove the copies of manifests."""
        self._stack.close()

    @contextmanager
    def opened(self, place: StoreUrl) -> Iterator[tuple[BinaryIO, Sight]]:
        """An object as a seekable file; PictureError if it cannot be had."""
        with cast("BinaryIO", SpooledTemporaryFile(_IN_MEMORY)) as file:
            try:
                sight = self._stores.bucket(place).read_to(place.key, file.write)
            except MissingError:
                raise PictureError("there is no such object") from None
            except StoreError as error:
                raise PictureError(error.what, error.advice) from error
            file.seek(0)
            yield file, sight

    def local(self, source: InlineSource) -> InlineSource:
        """The same picture in a local copy of its manifest, if that lies in a store."""
        name = source.manifest
        if not is_store_url(name):
            return source
        with self._lock:
            if name not in self._copies:
                try:
                    copy = self._stack.enter_context(
                        local_copy(parse_store_url(name), self._stores)
                    )
                except (ManifestError, StoreError) as error:
                    raise PictureError(error.what, error.advice) from error
                self._copies[name] = str(copy)
        return msgspec.structs.replace(source, manifest=self._copies[name])
