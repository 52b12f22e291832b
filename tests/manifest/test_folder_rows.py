from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from qwenbatch.core.items import BadRow, FileSource, Row, RowDefaults
from qwenbatch.errors import ManifestError
from qwenbatch.manifest.folder_rows import natural_key
from qwenbatch.manifest.read import open_manifest

if TYPE_CHECKING:
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
BMP = b"BM" + bytes(12) + (40).to_bytes(4, "little") + bytes(20)
RED = RowDefaults(instruction="make it red")


def put(folder: Path, *names: str, data: bytes = PNG) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def walked(folder: Path, out: Path | None = None) -> list[str]:
    return [row.image for row in open_manifest(folder, defaults=RED, out=out)]


def test_folder_row_states_its_place_and_the_instruction(tmp_path: Path) -> None:
    put(tmp_path, "sub/a.jpg")
    (row,) = open_manifest(tmp_path, defaults=RED)
    assert row == Row(
        number=1,
        line=0,
        image="sub/a.jpg",
        source=FileSource(f"{tmp_path}/sub/a.jpg"),
        mirror="sub/a.jpg",
        instruction="make it red",
    )


def test_folder_is_walked_in_natural_order(tmp_path: Path) -> None:
    names = ["img1.png", "img2.png", "IMG3.png", "img10.png", "img10/b.png", "sub/x1.png"]
    names += ["sub/x02.png", "sub/x2.png", "sub/x11.png", "z.png"]
    put(tmp_path, *random.Random(1).sample(names, len(names)))  # noqa: S311 - a shuffle
    assert walked(tmp_path) == [
        "img1.png",
        "img2.png",
        "IMG3.png",
        "img10.png",
        "img10/b.png",
        "sub/x1.png",
        "sub/x02.png",
        "sub/x2.png",
        "sub/x11.png",
        "z.png",
    ]


def test_folder_order_takes_digits_of_any_number() -> None:
    names = ["a" + "9" * 5000, "a1", "a" + "1" * 5001, "a²", "a٣"]
    assert sorted(names, key=natural_key)[:3] == ["a1", "a" + "9" * 5000, "a" + "1" * 5001]


def test_folder_leaves_out_what_is_hidden_or_no_picture(tmp_path: Path) -> None:
    put(tmp_path, "a.png", ".hidden.png", ".thumbs/b.png", "deep/.x/c.png")
    put(tmp_path, "notes.txt", "BMW.txt", "BM", data=b"BM is a car, and no bitmap at all")
    put(tmp_path, "raw.NEF", "raw.dng", data=b"II*\0" + bytes(20))
    assert walked(tmp_path) == ["a.png"]


def test_folder_takes_pictures_by_name_or_by_first_bytes(tmp_path: Path) -> None:
    names = [
        f"n.{ending}"
        for ending in ("avif", "bmp", "gif", "heic", "heif", "jfif", "jpe", "JPEG", "jpg")
    ]
    names += ["n.png", "n.tif", "n.tiff", "n.webp"]
    put(tmp_path, *names, data=b"")
    heads = {"0bmp": BMP, "1gif": b"GIF89a", "2jpg": b"\xff\xd8\xff\xe0", "3png.txt": PNG}
    heads |= {"4tif": b"II*\0", "5tif": b"MM\0*", "6webp": b"RIFF1234WEBPVP8 "}
    for name, head in heads.items():
        put(tmp_path, name, data=head)
    assert walked(tmp_path) == [*heads, *names]


def test_folder_leaves_out_results(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "out/b.png", "old/.qwenbatch/x.png", "old/c.png", "old/deep/d.png")
    put(tmp_path, "outer/e.png")
    assert walked(tmp_path, tmp_path / "out") == ["a.png", "outer/e.png"]


def test_folder_follows_links_to_files_but_not_to_folders(tmp_path: Path) -> None:
    put(tmp_path, "src/real/a.png")
    (tmp_path / "src" / "loop").symlink_to(tmp_path / "src")
    (tmp_path / "src" / "folder.png").symlink_to(tmp_path / "src" / "real")
    (tmp_path / "src" / "link.png").symlink_to(tmp_path / "src" / "real" / "a.png")
    assert walked(tmp_path / "src") == ["link.png", "real/a.png"]


def test_folder_tells_of_what_looks_like_a_picture_and_is_no_file(tmp_path: Path) -> None:
    put(tmp_path, "c.png")
    (tmp_path / "a.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "b.png")
    first, second, third = open_manifest(tmp_path, defaults=RED)
    assert isinstance(first, BadRow)
    assert isinstance(second, BadRow)
    assert "leads to no file" in first.faults[0].reason
    assert "not a regular file" in second.faults[0].reason
    assert isinstance(third, Row)


def test_folder_named_like_a_picture_is_walked(tmp_path: Path) -> None:
    put(tmp_path, "album.jpg/a.png")
    assert walked(tmp_path) == ["album.jpg/a.png"]


def test_folder_with_a_name_that_is_not_utf8_is_told_of(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.png", "wb") as file:  # noqa: PTH123 - bytes
        file.write(PNG)
    put(tmp_path, "z.png")
    bad, row = open_manifest(tmp_path, defaults=RED)
    assert isinstance(bad, BadRow)
    assert bad.image == "caf\\xe9.png"
    assert "UTF-8" in bad.faults[0].reason
    assert isinstance(row, Row)


def test_folder_that_vanishes_during_the_walk_is_one_bad_row(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b/c.png", "d.png")
    rows = iter(open_manifest(tmp_path, defaults=RED))
    next(rows)
    (tmp_path / "b" / "c.png").unlink()
    (tmp_path / "b").rmdir()
    bad, last = rows
    assert isinstance(bad, BadRow)
    assert bad.image == "b/"
    assert "cannot be read" in bad.faults[0].reason
    assert last.image == "d.png"


def test_folder_deeper_than_paths_reach_is_one_bad_row(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=descriptor)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    put(tmp_path, "z.png")
    bad, row = open_manifest(tmp_path, defaults=RED)
    assert isinstance(bad, BadRow)
    assert isinstance(row, Row)


def test_folder_of_many_levels_is_walked(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(400):
        deep /= "d"
        deep.mkdir()
    put(deep, "a.png")
    assert walked(tmp_path) == ["d/" * 400 + "a.png"]


def test_folder_without_pictures_is_no_error(tmp_path: Path) -> None:
    assert walked(tmp_path) == []


def test_folder_needs_an_instruction(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="--instruction"):
        open_manifest(tmp_path, defaults=RowDefaults())


@pytest.mark.parametrize("out", [".", "..", "../x/../."])
def test_folder_inside_out_is_refused(tmp_path: Path, out: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with pytest.raises(ManifestError, match="lies inside"):
        open_manifest(source, defaults=RED, out=source / out if out == "." else tmp_path)


def test_folder_inside_out_by_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "out" / "sub")
    with pytest.raises(ManifestError, match="lies inside"):
        open_manifest(tmp_path / "link", defaults=RED, out=tmp_path / "out")


def test_folder_that_holds_a_runs_results_is_refused(tmp_path: Path) -> None:
    put(tmp_path, ".qwenbatch/ledger.db", "a.png")
    with pytest.raises(ManifestError, match="results of another run"):
        open_manifest(tmp_path, defaults=RED)


def test_folder_ends_at_the_limit(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png", "c.png")
    assert len(list(open_manifest(tmp_path, defaults=RED, limit=2))) == 2
