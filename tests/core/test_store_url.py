from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.store_url import SCHEMES, StoreUrl, is_store_url, parse_store_url

SEGMENTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=20
).filter(lambda text: text not in {".", ".."})
KEYS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)


@given(st.sampled_from(SCHEMES), KEYS)
def test_store_url_is_read_as_it_is_written(scheme: str, key: str) -> None:
    url = StoreUrl(scheme, "bucket", key)
    assert parse_store_url(str(url)) == url
    assert parse_store_url(f"{url}/") == url
    assert is_store_url(str(url))
    assert url.parent / url.name == url
    assert url.stem + url.suffix == url.name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s3://", "no name of a bucket"),
        ("s3:///key", "no name of a bucket"),
        ("s3://a b/key", "no name of a bucket"),
        ("s3://bucket/a//b", "empty segment"),
        ("s3://bucket/../b", "cannot be reached"),
        ("s3://bucket//a", "empty segment"),
        ("s3://bucket/a\nb", "control character"),
        ("s3://bucket/" + "x" * 1025, "longer than 1,024"),
        ("ftp://bucket/a", "no URL of an object store"),
    ],
)
def test_store_url_that_cannot_be_reached_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_store_url(text)


def test_store_url_keeps_what_other_urls_would_take_apart() -> None:
    url = parse_store_url("S3://Bucket/100%25 off?#1/a.b.png/")
    assert url == StoreUrl("s3", "Bucket", "100%25 off?#1/a.b.png")
    assert (url.name, url.stem, url.suffix) == ("a.b.png", "a.b", ".png")
    bucket = parse_store_url("gs://bucket")
    assert (bucket.key, bucket.name, str(bucket / "a")) == ("", "bucket", "gs://bucket/a")
    assert bucket.parent == bucket


def test_store_url_holds_itself_and_what_is_below() -> None:
    out = StoreUrl("s3", "b", "out")
    assert out.holds(out)
    assert out.holds(out / "a.png")
    assert StoreUrl("s3", "b", "").holds(out)
    assert not out.holds(StoreUrl("s3", "b", "outer/a.png"))
    assert not out.holds(StoreUrl("s3", "c", "out/a.png"))
    assert not out.holds(StoreUrl("gs", "b", "out/a.png"))


@pytest.mark.parametrize("text", ["photos", "/s3://x", "s3:/x/y", "http://s3/x", "./s3"])
def test_other_places_are_no_store_urls(text: str) -> None:
    assert not is_store_url(text)
