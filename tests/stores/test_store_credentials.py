"""Where the credentials of a store come from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from qwenbatch.errors import StoreError, UsageError
from qwenbatch.stores import opening
from qwenbatch.stores.opening import Stores

if TYPE_CHECKING:
    from pathlib import Path

    from qwenbatch.core.store_url import StoreUrl
    from tests.stores.s3 import S3

NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


@pytest.fixture
def home(tmp_path: Path, store: StoreUrl, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a profile, and an environment without credentials that leads to the server."""
    del store  # what it put into the environment is taken away here
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    aws = tmp_path / ".aws"
    aws.mkdir()
    (aws / "credentials").write_text(
        "[shop]\naws_access_key_id = from-profile\naws_secret_access_key = secret\n"
    )
    return tmp_path


def test_profile_is_read_where_it_is_named(
    home: Path, s3: S3, store: StoreUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put(store / "a.png", b"a picture")
    monkeypatch.setenv("AWS_PROFILE", "shop")
    assert Stores(os.environ).bucket(store).read_whole("a.png", most=100) == b"a picture"
    monkeypatch.setenv("AWS_PROFILE", "none-such")
    with pytest.raises(UsageError, match="none-such"):
        Stores(os.environ).bucket(store)
    assert home.is_dir()


@pytest.mark.usefixtures("home")
def test_profile_without_boto3_says_what_to_install(
    store: StoreUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="read by boto3") as raised:
        Stores({"AWS_PROFILE": "shop"}).bucket(store)
    assert "pip install boto3" in raised.value.advice


@pytest.mark.usefixtures("home")
def test_role_that_is_not_to_be_had_is_told(
    s3: S3, store: StoreUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{s3.url}/no-such-role")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "none")
    with pytest.raises(StoreError, match="cannot be read"):
        Stores(os.environ, patience=0.2).bucket(store).read_whole("a.png", most=100)


def test_azure_without_its_account_is_refused_at_once(store: StoreUrl) -> None:
    with pytest.raises(UsageError, match=r"az://.* cannot be opened: .*Account"):
        Stores({}).bucket(replace(store, scheme="az"))
