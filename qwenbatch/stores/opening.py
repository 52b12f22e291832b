"""Opens buckets, by the conventions of their stores: what is not told comes from the environment.

obstore reads the variables that the stores' own tools read (`AWS_…`, `GOOGLE_…`, `AZURE_…`), and on
machines in a cloud asks for the machine's own role. Profiles of `~/.aws` are boto3's to read.
"""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from qwenbatch.errors import UsageError
from qwenbatch.stores.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.core.store_url import StoreUrl

_CLIENT: Any = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=30),
    "timeout": timedelta(minutes=5),
}
PATIENCE = 30.0
"""Seconds for which a request that fails is tried again, unless told."""

_MOST_TRIES = 10
_ENDPOINTS = {"s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"), "gs": (), "az": ()}
_WITHOUT_PROFILES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SKIP_SIGNATURE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)
"""Variables that say where credentials come from, or that none are wanted."""


class Stores:
    """The buckets that are in use, each opened once.

    `environment` are the process's variables; a request that fails is tried again for `patience`
    seconds at the most.
    """

    def __init__(self, environment: Mapping[str, str], *, patience: float = PATIENCE) -> None:
        self._environment = environment
        self._retries: Any = {
            "max_retries": _MOST_TRIES,
            "retry_timeout": timedelta(seconds=patience),
            "backoff": {
                "init_backoff": timedelta(seconds=min(0.1, patience / 10)),
                "max_backoff": timedelta(seconds=min(5.0, patience / 4)),
            },
        }
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def bucket(self, url: StoreUrl) -> Bucket:
        """The bucket of a place.

        Raises UsageError where the extra is not installed, or what the environment says makes no
        sense. Nothing is asked of the store yet.
        """
        name = (url.scheme, url.bucket)
        if name not in self._buckets:
            self._buckets[name] = Bucket(self._open(url), url.scheme, url.bucket)
        return self._buckets[name]

    def _open(self, url: StoreUrl) -> Any:
        stores = _library()
        client = dict(_CLIENT)
        told: dict[str, Any] = {}
        endpoint = next(filter(None, map(self._environment.get, _ENDPOINTS[url.scheme])), None)
        makes = {"s3": stores.S3Store, "gs": stores.GCSStore, "az": stores.AzureStore}
        try:
            if endpoint is not None:
                told["endpoint"] = _address(endpoint)
                # Whoever names a plain address means it: a server of one's own, say.
                client["allow_http"] = endpoint.lower().startswith("http://")
            if url.scheme == "s3" and (provider := self._profile()) is not None:
                told["credential_provider"] = provider
            return makes[url.scheme](
                url.bucket, client_options=client, retry_config=self._retries, **told
            )
        except UsageError:
            raise
        except Exception as error:  # every store has exceptions of its own for bad settings
            raise UsageError(
                f"{url.scheme}://{url.bucket} cannot be opened: {str(error).splitlines()[0]}",
                "check the store's variables in the environment",
            ) from error

    def _profile(self) -> Any:
        """What knows the credentials of an AWS profile; None where there is no need of one."""
        told = self._environment.get
        asked = told("AWS_PROFILE")
        if any(map(told, _WITHOUT_PROFILES)) or not (
            asked or any(map(Path.is_file, self._files()))
        ):
            return None
        if find_spec("boto3") is None:
            if asked:
                raise UsageError(
                    f"AWS_PROFILE={asked} is read by boto3, which is not installed",
                    "pip install boto3, or give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                )
            return None
        session = import_module("boto3").session.Session()
        if not asked and session.get_credentials() is None:
            return None
        return import_module("obstore.auth.boto3").Boto3CredentialProvider(session)

    def _files(self) -> tuple[Path, Path]:
        """Where AWS profiles are written down."""
        told, home = self._environment.get, Path(self._environment.get("HOME") or "/")
        return (
            Path(told("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials"),
            Path(told("AWS_CONFIG_FILE") or home / ".aws" / "config"),
        )


def _address(endpoint: str) -> str:
    """An endpoint that is a URL; obstore panics over some that are none."""
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not endpoint.isascii() or any(letter <= " " for letter in endpoint):
        raise ValueError("its endpoint is no URL such as https://host:port")
    return endpoint


def _library() -> Any:
    """Obstore's stores; UsageError where the extra is not installed."""
    try:
        return import_module("obstore.store")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("obstore"):
            raise
        raise UsageError(
            "places in object stores are reached by obstore, which is not installed",
            "pip install 'qwenbatch[cloud]'",
        ) from None
