"""The manifest that a run's settings name, wherever it lies."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

from qwenbatch.core.items import RowDefaults
from qwenbatch.core.store_url import StoreUrl
from qwenbatch.errors import DiskError, ManifestError
from qwenbatch.manifest.read import Manifest, open_manifest
from qwenbatch.manifest.store_rows import StoreFolder
from qwenbatch.manifest.stored import FILES, StoredFolder, StoredManifest, open_copy, open_folder
from qwenbatch.stores.failures import MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwenbatch.stores.opening import Stores
    from qwenbatch.wiring.settings import RunSettings

AnyManifest: TypeAlias = Manifest | StoredManifest | StoredFolder


@contextmanager
def manifest_of(settings: RunSettings, stores: Stores) -> Iterator[AnyManifest]:
    """The manifest that the settings name; it can be read until this ends.

    Raises ManifestError if it cannot be read, StoreError if its store does not give it.
    """
    defaults = RowDefaults(
        instruction=settings.instruction,
        negative_prompt=settings.negative_prompt,
        watermark=settings.watermark,
    )
    source, out, limit = settings.source, settings.out_folder, settings.limit
    if not isinstance(source, StoreUrl):
        local_out = None if isinstance(out, StoreUrl) else out
        yield open_manifest(source, defaults=defaults, out=local_out, limit=limit)
    elif source.suffix.lower() in FILES:
        with local_copy(source, stores) as copy:
            yield open_copy(source, copy, defaults=defaults, limit=limit)
    else:
        folder = _folder(source, stores)
        stored_out = out if isinstance(out, StoreUrl) else None
        yield open_folder(folder, defaults=defaults, out=stored_out, limit=limit)


@contextmanager
def local_copy(url: StoreUrl, stores: Stores) -> Iterator[Path]:
    """A private copy of an object, where the system has its temporary files, until this ends."""
    with TemporaryDirectory(prefix="qwenbatch-") as folder:
        copy = Path(folder) / f"manifest{url.suffix}"
        try:
            with copy.open("xb") as file:
                stores.bucket(url).read_to(url.key, file.write)
        except MissingError:
            raise ManifestError(
                f"There is no {url}", "Look for its spelling, and its case"
            ) from None
        except OSError as error:
            raise DiskError(
                f"{url} cannot be copied to {folder}: {error.strerror or error}",
                "free room there, or name another folder with TMPDIR",
            ) from error
        yield copy


def _folder(url: StoreUrl, stores: Stores) -> StoreFolder:
    bucket = stores.bucket(url)
    skipped = len(url.key) + 1 if url.key else 0

    def keys() -> Iterator[str]:
        for page in bucket.walk(url.key):
            for key, _ in page:
                yield key[skipped:]

    def holds(inner: str) -> bool:
        return any(bucket.walk((url / inner).key.removesuffix("/")))

    return StoreFolder(url, keys, holds)
