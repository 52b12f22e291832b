from __future__ import annotations

import ntpath
import posixpath
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwenbatch.core.items import Fault
from qwenbatch.core.naming import (
    NameLevel,
    default_output,
    mirror_of,
    mirror_of_inline,
    mirror_of_url,
)
from qwenbatch.core.paths import (
    MAX_PATH_BYTES,
    MAX_SEGMENT_BYTES,
    check_output,
    fold,
    parse_template,
    safe_name,
)
from qwenbatch.errors import UsageError

KEY = "1a2b3c4d" * 8
ANY_TEXT = st.text(st.characters())
NASTY = st.lists(
    st.sampled_from(
        (
            "a",
            "..",
            ".",
            "/",
            "\\",
            "C:",
            "con",
            "NUL",
            ".png",
            " ",
            "\0",
            "\n",
            ".qwenbatch",
            "é",
            "e\u0301",
            "\u200b",
            "\ud800",
            "~",
            "x" * 130,
            "?",
            "*",
            "%2e",
            "PNG",
            "-",
        ),
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a.png", "a.png"),
        ("shoes/red 1.png", "shoes/red 1.png"),
        ("./a.png", "a.png"),
        ("a//b/./c.png", "a/b/c.png"),
        ("A.PNG", "A.PNG"),
        ("übung/ß.png", "übung/ß.png"),
        ("a.tar.png", "a.tar.png"),
        ("console/nullify.png", "console/nullify.png"),
        ("con-1.png", "con-1.png"),
        (".hidden/a.png", ".hidden/a.png"),
        ("..a/b..png", "..a/b..png"),
        ("a-b/c~1.png", "a-b/c~1.png"),
        ("می\u200cخواهم.png", "می\u200cخواهم.png"),
        ("👩\u200d🎨.png", "👩\u200d🎨.png"),
    ],
)
def test_output_inside_out_is_taken_and_normalised(text: str, path: str) -> None:
    assert check_output(text) == path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("/a.png", "absolute"),
        ("//server/share/a.png", "network"),
        ("\\\\server\\share\\a.png", "network"),
        ("C:a.png", "drive"),
        ("c:\\a.png", "drive"),
        ("C:/a.png", "drive"),
        ("../a.png", "out of OUT"),
        ("a/../b.png", "out of OUT"),
        ("a/..", "out of OUT"),
        ("a\\..\\b.png", "backslash"),
        ("a\\b.png", "backslash"),
        ("a\0.png", "control"),
        ("a\n.png", "control"),
        ("a\x85.png", "control"),
        ("a\udc80.png", "Unicode"),
        ("a.jpg", "PNG"),
        ("a.png.jpg", "PNG"),
        ("a", "no extension"),
        ("a.b/c", "no extension"),
        (".png", "no name"),
        ("a/", "folder"),
        ("a.png/", "folder"),
        ("a.png/.", "folder"),
        (".", "folder"),
        ("con.png", "device"),
        ("NUL.tar.png", "device"),
        ("Com1/a.png", "device"),
        ("lpt¹.png", "device"),
        ("CONIN$.png", "device"),
        ("con .png", "device"),
        ("aux/a.png", "device"),
        ("a./b.png", "dot or a blank"),
        ("a /b.png", "dot or a blank"),
        (".../b.png", "dot or a blank"),
        ("ab:c.png", "holds :"),
        ("a?.png", "holds ?"),
        ("a|b.png", "holds |"),
        ('a".png', 'holds "'),
        (".qwenbatch/a.png", "own"),
        (".QwenBatch/a.png", "own"),
        ("x/.qwenbatch/a.png", "own"),
        (".qwen\u200cbatch/a.png", "own"),
        ("-rf.png", "begins with -"),
        ("a/-rf.png", "begins with -"),
        ("./-/a.png", "begins with -"),
        ("~/a.png", "begins with ~"),
        ("~root.png", "begins with ~"),
        ("a\u202egpj.png", "U+202E"),
        ("a\u200b.png", "U+200B"),
        ("\ufeffa.png", "U+FEFF"),
        ("a\u2028b.png", "U+2028"),
        ("\u2066a/b.png", "U+2066"),
        ("x" * 240 + ".png", "240 bytes"),
        ("é" * 119 + ".png", "240 bytes"),
        ("/".join(["x" * 200] * 5) + ".png", "1,000 bytes"),
    ],
)
def test_output_that_is_not_inside_out_everywhere_is_refused(text: str, words: str) -> None:
    fault = check_output(text)
    assert isinstance(fault, Fault)
    assert words in fault.reason
    assert fault.column == "output"
    assert fault.advice


@given(st.one_of(ANY_TEXT, NASTY, NASTY.map(lambda text: text + ".png")))
@example("a/..\\..\\x.png")
def test_output_never_escapes_under_either_systems_rules(text: str) -> None:
    path = check_output(text)
    if isinstance(path, Fault):
        return
    for rules, root in ((posixpath, "/out/x"), (ntpath, "C:\\out\\x")):
        landed = rules.normpath(rules.join(root, path))
        assert landed.startswith(root + rules.sep)
        assert not rules.isabs(path)
        assert rules.splitdrive(path)[0] == ""
    assert len(path.encode()) <= MAX_PATH_BYTES
    assert all(len(part.encode()) <= MAX_SEGMENT_BYTES for part in path.split("/"))
    assert path.lower().endswith(".png")
    assert ".qwenbatch" not in [part.lower() for part in path.split("/")]
    assert check_output(path) == path


@given(st.one_of(ANY_TEXT, NASTY), st.sampled_from(["", ".png", "-1a2b3c4d.png"]))
def test_safe_name_is_safe_and_bounded(name: str, suffix: str) -> None:
    safe = safe_name(name, suffix=suffix)
    checked = safe if suffix else safe + "/x.png"
    assert check_output(checked) == checked


def test_safe_name_keeps_long_names_apart_and_whole_characters() -> None:
    first, second = safe_name("é" * 300 + "1"), safe_name("é" * 300 + "2")
    assert first != second
    assert len(first.encode()) <= MAX_SEGMENT_BYTES
    assert first.startswith("é" * 100)


@pytest.mark.parametrize(
    ("mirror", "names"),
    [
        ("sub/a.jpg", ("sub/a.png", "sub/a.jpg.png", "sub/a.jpg-1a2b3c4d.png")),
        ("a", ("a.png", "a.png", "a-1a2b3c4d.png")),
        ("a.tar.gz", ("a.tar.png", "a.tar.gz.png", "a.tar.gz-1a2b3c4d.png")),
        (".jpg", (".jpg.png", ".jpg.png", ".jpg-1a2b3c4d.png")),
        ("con.jpg", ("_con.png", "_con.jpg.png", "_con.jpg-1a2b3c4d.png")),
        ("a?.jpg", ("a_.png", "a_.jpg.png", "a_.jpg-1a2b3c4d.png")),
        ("x /a..jpg", ("x_/a_.png", "x_/a..jpg.png", "x_/a..jpg-1a2b3c4d.png")),
        ("", ("_.png", "_.png", "_-1a2b3c4d.png")),
    ],
)
def test_default_names_have_three_levels(mirror: str, names: tuple[str, str, str]) -> None:
    made = tuple(default_output(mirror=mirror, level=level, key_hex=KEY) for level in NameLevel)
    assert made == names


@given(
    st.one_of(ANY_TEXT, NASTY),
    st.sampled_from(NameLevel),
    st.sampled_from([None, "{dir}/{stem}", "{dir}{id}-{take}", "{id}/{key}.PNG", "x/{stem}{id}"]),
    st.one_of(st.none(), NASTY),
)
def test_default_names_are_always_valid_outputs(
    mirror: str,
    level: NameLevel,
    template: str | None,
    id_: str | None,
) -> None:
    name = default_output(
        mirror=mirror,
        level=level,
        key_hex=KEY,
        template=parse_template(template) if template else None,
        id=id_,
    )
    assert check_output(name) == name


def test_default_name_in_a_path_too_long_gives_up_the_folder() -> None:
    mirror = "/".join(["d" * 200] * 8) + "/a.jpg"
    name = default_output(mirror=mirror, level=NameLevel.STEM, key_hex=KEY)
    assert name.endswith("/a.png")
    assert len(name) < 20


@pytest.mark.parametrize(
    ("template", "level", "name"),
    [
        ("{dir}/{stem}-{take}", 0, "sub/a-2.png"),
        ("{dir}/{stem}-{take}", 1, "sub/a.jpg-2.png"),
        ("{dir}/{stem}-{take}", 2, "sub/a.jpg-2-1a2b3c4d.png"),
        ("{id}", 0, "n_1.png"),
        ("{key}.png", 0, KEY + ".png"),
        ("{stem}.PNG", 0, "a.PNG"),
        ("flat-{stem}", 0, "flat-a.png"),
        ("{{{stem}}}", 0, "{a}.png"),
    ],
)
def test_template_is_filled_in(template: str, level: int, name: str) -> None:
    made = default_output(
        mirror="sub/a.jpg",
        level=NameLevel(level),
        key_hex=KEY,
        template=parse_template(template),
        id="n/1",
        take=2,
    )
    assert made == name


def test_template_falls_back_to_the_stem_where_a_row_has_no_id() -> None:
    made = default_output(
        mirror="a.jpg", level=NameLevel.STEM, key_hex=KEY, template=parse_template("{id}")
    )
    assert made == "a.png"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("", "empty"),
        ("{name}", "unknown field {name}"),
        ("{}", "unknown field {}"),
        ("{stem.x}", "unknown field"),
        ("{stem[0]}", "unknown field"),
        ("{take:03}", "no conversion or format"),
        ("{stem!r}", "no conversion or format"),
        ("{stem", "expected '}'"),
        ("/{stem}", "absolute"),
        ("C:/{stem}", "drive"),
        ("../{stem}", "out of OUT"),
        ("a\\{stem}", "backslash"),
        ("{stem}.jpg", "results are PNG"),
        ("{stem}?", "holds ?"),
        (".qwenbatch/{stem}", "own"),
        ("{stem}/", "no name"),
    ],
)
def test_template_that_makes_no_sense_is_refused(template: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_template(template)
    assert words in raised.value.what
    assert raised.value.advice


def test_template_refusal_names_the_known_fields() -> None:
    with pytest.raises(UsageError) as raised:
        parse_template("{folder}")
    assert "{dir}, {stem}, {id}, {take}, {key}" in raised.value.advice


def test_fold_joins_what_file_systems_may_join() -> None:
    assert fold("Sub/A.PNG") == fold("sub/a.png")
    assert fold("É.png") == fold("e\u0301.png") == fold("E\u0301.PNG")
    assert fold("straße.png") == fold("STRASSE.png")
    assert fold("a.png") != fold("b.png")


@given(st.text())
def test_fold_is_settled_and_blind_to_unicode_forms(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))
    assert fold(fold(text)) == fold(text)


def test_mirror_is_the_place_below_the_manifest_or_the_name_alone() -> None:
    assert mirror_of("/m/sub/a.jpg", "/m") == "sub/a.jpg"
    assert mirror_of("/mm/sub/a.jpg", "/m") == "a.jpg"
    assert mirror_of("/sub/a.jpg", "/") == "sub/a.jpg"
    assert mirror_of("/elsewhere/a.jpg", "/m") == "a.jpg"


@pytest.mark.parametrize(
    ("url", "mirror"),
    [
        ("https://h.example/p/a.jpg?x=/y.png#z/q", "a.jpg"),
        ("https://h.example/p/a%20b.jpg", "a b.jpg"),
        ("https://h.example/..%2f..%2fetc", ".._.._etc"),
        ("https://h.example/%ff.jpg", "\ufffd.jpg"),
        ("https://h.example", "h.example"),
        ("https://h.example:8080/", "h.example"),
        ("https://h.example/p/?q=1", "h.example"),
    ],
)
def test_mirror_of_a_url_is_its_last_segment_or_its_host(url: str, mirror: str) -> None:
    assert mirror_of_url(url) == mirror


def test_mirror_of_an_inline_picture_is_its_number() -> None:
    assert mirror_of_inline(12, "image/png") == "image-12.png"
    assert mirror_of_inline(3, "image/jpeg") == "image-3.jpg"


@given(st.lists(st.sampled_from(("{stem}", "{id}", "{{", "}}", "a", "-", "/", ".png")), max_size=8))
def test_template_written_anew_makes_the_same_names(parts: list[str]) -> None:
    try:
        template = parse_template("".join(parts))
    except UsageError:
        return
    names = {
        default_output(mirror="d/x.jpg", level=NameLevel.STEM, key_hex=KEY, template=one, id="7")
        for one in (template, parse_template(str(template)))
    }
    assert len(names) == 1
