from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.core.items import FileSource, Row, UrlSource
from qwenbatch.core.keys import canonical_url, edit_key
from qwenbatch.core.plan import key_row
from qwenbatch.core.sources import SourceFacts, SourceStamp

SOURCE = sha256(b"a picture").hexdigest()
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


@pytest.mark.parametrize(
    ("digest", "fields"),
    [
        (
            "c54710058e6a98be2e8a5d3adcb1da9afb5a79ac0b870de7f2a8ab37420f1adb",
            {"source": SOURCE, "instruction": "sepia"},
        ),
        (
            "f93ae043a32bd187850535fbee7e7b6fceade5d94bad2f54a7933ee3d932dd5a",
            {
                "source": SOURCE,
                "instruction": "make it „warm“ – 暖かい",
                "negative_prompt": "no text",
                "watermark": True,
                "take": 2,
            },
        ),
        (
            "3c925705bf21b327e1e0d1bd199b40f02fbfb03766f1424310c9e8cbadc06875",
            {
                "source": canonical_url(
                    "https://b.test/a.png?v=2&X-Amz-Signature=1&Expires=9#top",
                ),
                "instruction": "sepia",
            },
        ),
        (
            "45913c6f8317666b9f9b936251a1ef98a7e01e82be951429dcd40b03294486b1",
            {"source": "", "instruction": ""},
        ),
    ],
)
def test_edit_key_never_changes(digest: str, fields: dict[str, str]) -> None:
    assert edit_key(**fields).hex() == digest  # type: ignore[arg-type] # the fields of one call


def test_edit_key_fills_in_the_defaults() -> None:
    spelled_out = edit_key(
        source=SOURCE,
        instruction="sepia",
        negative_prompt="",
        watermark=False,
        take=1,
    )
    assert edit_key(source=SOURCE, instruction="sepia") == spelled_out


def test_edit_key_is_made_as_the_recipe_says() -> None:
    fields = ["qwen-image-edit", SOURCE, "sépia", "no", "true", "12"]
    prefixed = b"".join(len(f.encode()).to_bytes(8, "big") + f.encode() for f in fields)
    key = edit_key(
        source=SOURCE,
        instruction="sépia",
        negative_prompt="no",
        watermark=True,
        take=12,
    )
    assert key == sha256(b"v1" + prefixed).digest()


@given(
    st.tuples(TEXT, TEXT, TEXT, st.booleans(), st.integers(1, 30)),
    st.tuples(TEXT, TEXT, TEXT, st.booleans(), st.integers(1, 30)),
)
def test_edit_key_tells_any_two_edits_apart(
    one: tuple[str, str, str, bool, int],
    other: tuple[str, str, str, bool, int],
) -> None:
    def key(fields: tuple[str, str, str, bool, int]) -> bytes:
        source, instruction, negative, watermark, take = fields
        return edit_key(
            source=source,
            instruction=instruction,
            negative_prompt=negative,
            watermark=watermark,
            take=take,
        )

    assert (key(one) == key(other)) == (one == other)


@given(TEXT, st.integers(0, 12), st.integers(0, 12))
def test_edit_key_fields_cannot_run_into_each_other(text: str, one: int, other: int) -> None:
    def split(at: int) -> tuple[str, str]:
        return text[:at], text[at:]

    keys = {
        edit_key(source=SOURCE, instruction=instruction, negative_prompt=negative)
        for instruction, negative in (split(one), split(other))
    }
    assert len(keys) == len({split(one), split(other)})


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://b.test/a.png", "https://b.test/a.png"),
        ("https://b.test/a.png?", "https://b.test/a.png?"),
        ("https://b.test/a.png?#x?Expires=1", "https://b.test/a.png?#x?Expires=1"),
        ("https://b.test/a.png#x?Expires=1", "https://b.test/a.png#x?Expires=1"),
        ("https://b.test/a.png#part", "https://b.test/a.png#part"),
        ("https://b.test/a.png?v=1&w=2", "https://b.test/a.png?v=1&w=2"),
        (
            "https://s3.test/a.png?X-Amz-Algorithm=A&X-Amz-Date=D&X-Amz-Signature=S&versionId=7",
            "https://s3.test/a.png?versionId=7",
        ),
        (
            "https://gcs.test/a.png?generation=3&X-Goog-Signature=S&X-Goog-Date=D",
            "https://gcs.test/a.png?generation=3",
        ),
        (
            "https://s3.test/a.png?AWSAccessKeyId=K&Signature=S&Expires=1",
            "https://s3.test/a.png",
        ),
        (
            "https://gcs.test/a.png?GoogleAccessId=K&Expires=1&Signature=S&x=1",
            "https://gcs.test/a.png?x=1",
        ),
        (
            "https://cf.test/a.png?Policy=P&Signature=S&Key-Pair-Id=K&x=1",
            "https://cf.test/a.png?x=1",
        ),
        (
            "https://az.test/a?sp=r&st=1&se=2&sip=i&spr=h&sv=3&sr=b&skoid=1&sktid=2&sig=S&snapshot=9",
            "https://az.test/a?snapshot=9",
        ),
        (
            "https://az.test/a?skt=3&sig=S&ske=4&sks=b&skv=5&snapshot=9",
            "https://az.test/a?snapshot=9",
        ),
        # Azure's short names are signatures only where `sig` is one of them.
        ("https://b.test/a.png?se=2&sp=1&sv=x", "https://b.test/a.png?se=2&sp=1&sv=x"),
        # Names are those of the signers to the letter; values and order stay as they are.
        (
            "https://b.test/a.png?signature=1&expires=2",
            "https://b.test/a.png?signature=1&expires=2",
        ),
        (
            "https://b.test/a%2Fb.png?q=%C3%A9+x&a=&b&Expires=1",
            "https://b.test/a%2Fb.png?q=%C3%A9+x&a=&b",
        ),
        ("https://b.test/a.png?z=1&a=2&z=3", "https://b.test/a.png?z=1&a=2&z=3"),
        ("https://b.test/a.png?X%2DAmz%2DDate=1&b=2", "https://b.test/a.png?b=2"),
        ("https://b.test/a.png?b=2&Expires=1#p?Expires=3", "https://b.test/a.png?b=2#p?Expires=3"),
    ],
)
def test_canonical_url_leaves_out_what_only_signs(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@given(st.text(st.sampled_from("ab?&=#%2/"), max_size=20))
def test_canonical_url_leaves_unsigned_urls_as_they_are(tail: str) -> None:
    url = "https://b.test/" + tail
    assert canonical_url(url) == url


@given(st.permutations(["X-Amz-Date=1", "X-Goog-Date=2", "Signature=3", "Policy=4"]))
def test_canonical_url_is_one_for_all_signatures(signatures: list[str]) -> None:
    query = "&".join(["a=1", *signatures, "b=2"])
    assert canonical_url(f"https://b.test/a.png?{query}") == "https://b.test/a.png?a=1&b=2"


def test_a_row_is_keyed_by_its_bytes_or_its_url() -> None:
    stamp = SourceStamp(1, 2, 3, 4)
    facts = SourceFacts(digest=sha256(b"a picture").digest(), stamp=stamp)
    row = Row(
        number=1,
        line=2,
        image="a.png",
        source=FileSource("/in/a.png"),
        mirror="a.png",
        instruction="sepia",
        take=3,
    )
    elsewhere = Row(
        number=9,
        line=9,
        image="b.png",
        source=UrlSource("https://b.test/b.png?Expires=1"),
        mirror="b.png",
        instruction="sepia",
        take=3,
        id="other",
        output="x.png",
    )
    assert key_row(row, facts, None).key == edit_key(source=SOURCE, instruction="sepia", take=3)
    assert key_row(elsewhere, facts, None).key == key_row(row, facts, None).key
    assert key_row(elsewhere, None, "https://b.test/b.png?Expires=1").key == edit_key(
        source="https://b.test/b.png",
        instruction="sepia",
        take=3,
    )
