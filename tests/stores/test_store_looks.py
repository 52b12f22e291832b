"""Objects are looked at by lists where they lie close, and told from each other by their etags."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.store_url import StoreUrl
from qwenbatch.errors import StoreError, UsageError
from qwenbatch.stores import looking
from qwenbatch.stores.failures import UnlistableError
from qwenbatch.stores.looking import look_at
from qwenbatch.stores.opening import Stores
from tests.stores.s3 import Fault

if TYPE_CHECKING:
    from qwenbatch.stores.bucket import Bucket
    from tests.stores.s3 import S3, Hostile

pytestmark = pytest.mark.anyio


async def test_look_at_many_neighbours_costs_one_request(
    s3: S3, store: StoreUrl, bucket: Bucket, hostile: Hostile
) -> None:
    keys = [f"shop/{number:02}é.png" for number in range(30)]
    for key in keys:
        s3.put(store / key, key.encode())
    wanted = [*keys, "shop/05.png", "shop/zz.png"]
    found = await look_at(bucket, wanted)
    assert set(found) == set(keys)
    assert hostile.count("HEAD") == 0
    assert hostile.count("GET") == 1
    for key in keys[:2]:
        assert found[key] == await bucket.look(key)


async def test_look_at_what_lies_far_apart_asks_singly_for_the_rest(
    s3: S3,
    store: StoreUrl,
    bucket: Bucket,
    hostile: Hostile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qwenbatch.stores.bucket.PAGE", 2)
    monkeypatch.setattr(looking, "_FEW", 0)
    keys = [f"{number:02}.png" for number in range(30)]
    for key in keys:
        s3.put(store / key, b"x")
    wanted = [keys[0], keys[1], keys[28], "29x.png"]
    assert set(await look_at(bucket, wanted)) == {keys[0], keys[1], keys[28]}
    assert hostile.count("HEAD") == 2


async def test_key_that_cannot_be_reached_keeps_nobody_from_its_neighbours(
    s3: S3, store: StoreUrl, bucket: Bucket
) -> None:
    keys = [f"shop/{number:02}.png" for number in range(20)]
    for key in (*keys, "shop/10//b.png"):
        s3.put(store / key, b"x")
    assert set(await look_at(bucket, keys)) == set(keys)
    with pytest.raises(UnlistableError, match=r"shop/10//b\.png") as raised:
        list(bucket.walk("shop"))
    assert "manifest" in raised.value.advice


def test_key_with_a_control_character_is_told_without_it(
    s3: S3, store: StoreUrl, bucket: Bucket
) -> None:
    s3.put(store / "shop/a\x1b[2Jb.png", b"x")
    with pytest.raises(UnlistableError, match="control character") as raised:
        list(bucket.walk("shop"))
    assert raised.value.what.isprintable()


@pytest.mark.parametrize("first", ["shop/0", "0", "shop/.0", "shop/é", "shop/1"])
async def test_look_at_keys_whatever_the_first_ends_in(
    s3: S3, store: StoreUrl, bucket: Bucket, first: str
) -> None:
    keys = [first, *(f"shop/z{number}" for number in range(12))]
    for key in (*keys, "sho", "shop/!"):
        s3.put(store / key, b"x")
    assert set(await look_at(bucket, keys)) == set(keys)


async def test_look_at_a_failing_store_is_one_error(bucket: Bucket, hostile: Hostile) -> None:
    hostile.faults.append(Fault("HEAD", "", times=1_000, status=500))
    with pytest.raises(StoreError, match="store failed") as raised:
        await look_at(bucket, ["a", "b", "c"])
    assert raised.value.passing


async def test_mark_is_of_the_content(s3: S3, store: StoreUrl, bucket: Bucket) -> None:
    marks = set()
    for content in (b"one", b"two", b"one"):
        s3.put(store / "a.png", content)
        sight = await bucket.look("a.png")
        assert sight is not None
        assert 0 <= sight.mark < 2**63
        marks.add(sight.mark)
    assert len(marks) == 2


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "AccessDenied", "the store denies it"),
        (503, "SlowDown", "asks for less"),
        (500, "InternalError", "failed"),
        (400, "AuthorizationHeaderMalformed: the Region is wrong", "another region"),
        (301, "PermanentRedirect", "another region"),
        (400, "ExpiredToken", "the credentials have expired"),
        (418, "Teapot", "refuses .Teapot"),
    ],
)
def test_failure_is_told_in_one_message(
    bucket: Bucket, hostile: Hostile, status: int, code: str, words: str
) -> None:
    hostile.faults.append(Fault("GET", "", times=1_000, status=status, code=code))
    with pytest.raises(StoreError, match=words) as raised:
        bucket.read_whole("a.png", most=10)
    assert "\n" not in raised.value.what
    assert bucket.place("a.png") in raised.value.what


def test_missing_bucket_and_silent_store_are_told(
    store: StoreUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = Stores(os.environ, patience=0.2).bucket(StoreUrl("s3", "no-such-bucket", ""))
    with pytest.raises(StoreError, match="no such bucket"):
        list(nowhere.walk("x"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    silent = Stores(os.environ, patience=0.2).bucket(store)
    with pytest.raises(StoreError, match="cannot be listed") as raised:
        list(silent.walk("x"))
    assert raised.value.passing


def test_endpoint_with_a_password_is_told_without_it(
    store: StoreUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://me:sesame@127.0.0.1:9")
    with pytest.raises(StoreError, match="cannot be listed") as raised:
        list(Stores(os.environ, patience=0.2).bucket(store).walk("x"))
    assert "sesame" not in raised.value.what
    assert "127.0.0.1:9" in raised.value.what


@pytest.mark.parametrize(
    "endpoint",
    ["http://me:sesame@bad host", "localhost:9000", "http://h:x", "http://[", "http://é"],
)
def test_endpoint_that_is_no_url_is_refused(
    store: StoreUrl, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(UsageError, match="endpoint is no URL") as raised:
        Stores(os.environ).bucket(store)
    assert "sesame" not in str(raised.value)
