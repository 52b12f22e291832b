"""Results that carry where they come from: sidecars beside them, texts inside them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, PngImagePlugin

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk, House

DRIVER = str(Path(__file__).with_name("dying.py"))


def told(desk: Desk, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((desk.out / name).read_bytes())
    return found


def texts(path: Path) -> dict[str, str]:
    with Image.open(path) as image:
        image.load()
        assert isinstance(image, PngImagePlugin.PngImageFile)
        return dict(image.text)


def audited(desk: Desk) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "qwenbatch", "audit", str(desk.out), "--json"],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        check=False,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_e2e_sidecar_tells_where_a_result_comes_from(desk: Desk) -> None:
    source = desk.picture("a/b.png")
    desk.rows({"image": "a/b.png", "instruction": "mirror — grün", "negative_prompt": "blur"})

    assert desk.run("--sidecar").status == 0

    result = (desk.out / "a/b.png").read_bytes()
    sidecar = told(desk, "a/b.json")
    with Image.open(desk.out / "a/b.png") as image:
        assert (sidecar["width"], sidecar["height"]) == image.size
    assert sidecar["result"] == "a/b.png"
    assert sidecar["sha256"] == sha256(result).hexdigest()
    assert sidecar["instruction"] == "mirror — grün"
    assert sidecar["negative_prompt"] == "blur"
    assert (sidecar["model"], sidecar["service"]) == ("qwen-image-edit", "pixazo")
    assert sidecar["source"] == {
        "path": str(source),
        "sha256": sha256(source.read_bytes()).hexdigest(),
    }
    assert (sidecar["cost"], sidecar["currency"]) == (0.055, "USD")
    assert len(sidecar["key"]) == 64
    assert sidecar["request_id"]
    assert sidecar["finished_at"].endswith("Z")
    assert sidecar["seconds"] >= 0
    assert sidecar["tool"].startswith("qwenbatch ")
    assert desk.left_over() == []


def test_e2e_sidecar_shows_no_secret_of_a_url(desk: Desk) -> None:
    desk.picture("served/a.png")
    handler = partial(SimpleHTTPRequestHandler, directory=str(desk.folder / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        plain = f"http://127.0.0.1:{server.server_port}/a.png"
        image = f"{plain}?X-Amz-Signature=secret&token=secret"
        desk.rows({"image": image, "instruction": "mirror", "output": "a.png"})

        ended = desk.run("--sidecar", "--embed")
        server.shutdown()

    assert ended.status == 0
    assert told(desk, "a.json")["source"] == {"url": plain, "sha256": None}
    for path in desk.out.glob("a.*"):
        assert b"secret" not in path.read_bytes()


def test_e2e_sidecars_come_without_pay_for_what_was_saved_before(desk: Desk, house: House) -> None:
    desk.rows(*desk.items(3))
    assert desk.run().status == 0
    assert desk.results() == {"p00.png", "p01.png", "p02.png"}
    posts, fetches = house.posts(), house.fetches()

    assert desk.run("--sidecar").status == 0

    assert desk.results() >= {"p00.json", "p01.json", "p02.json"}
    assert (house.posts(), house.fetches()) == (posts, fetches)
    audit = audited(desk)
    assert (audit["counts"], audit["foreign"]["count"]) == (
        dict.fromkeys(audit["counts"], 0),
        0,
    )


def test_e2e_sidecar_never_overwrites_a_file_that_is_not_ours(desk: Desk) -> None:
    desk.rows(*desk.items(2))
    desk.out.mkdir()
    (desk.out / "p00.json").write_text('{"mine": 1}')

    ended = desk.run("--sidecar")

    assert ended.status == 0
    assert told(desk, "p00.json") == {"mine": 1}
    assert told(desk, "p01.json")["result"] == "p01.png"
    assert ended.stderr.count("p00.json: note: no sidecar is written") == 1
    assert audited(desk)["foreign"]["files"] == ["p00.json"]


@pytest.mark.parametrize("again", [(), ("--sidecar",)])
def test_e2e_sidecar_never_tells_of_another_result(desk: Desk, again: tuple[str, ...]) -> None:
    (row,) = desk.items(1)
    desk.rows(row)
    desk.run("--sidecar")

    desk.rows(dict(row, instruction="invert"))
    desk.run(*again)

    if again:
        assert told(desk, "p00.json")["instruction"] == "invert"
    else:
        assert desk.results() == {"p00.png"}
    desk.rows(row)
    desk.run("--sidecar")
    assert told(desk, "p00.json")["instruction"] == row["instruction"]
    result = (desk.out / "p00.png").read_bytes()
    assert told(desk, "p00.json")["sha256"] == sha256(result).hexdigest()


@pytest.mark.parametrize("when", ["before", "after"])
def test_e2e_a_death_between_result_and_sidecar_is_made_good_without_pay(
    desk: Desk, house: House, when: str
) -> None:
    desk.rows(*desk.items(3))
    words = [
        "run",
        "job.jsonl",
        "--gateway",
        house.url,
        "-o",
        str(desk.out),
        "--rate",
        "200",
        "-c",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, DRIVER, "sidecar", when, "1", *words, "--sidecar", "--embed"],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    house.wait_billed(1)
    lying = {path: (desk.out / path).read_bytes() for path in desk.results()}
    # It is written when its result is, and not only once all of them are.
    assert 1 <= sum(path.endswith(".png") for path in lying) < 3

    ended = desk.run("--sidecar", "--embed", "--resend-uncertain")

    assert ended.status == 0
    names = {f"p0{number}.{end}" for number in range(3) for end in ("png", "json")}
    assert desk.results() == names
    for path, content in lying.items():
        if path.endswith(".png"):
            assert (desk.out / path).read_bytes() == content, "it was fetched anew"
            assert told(desk, path[:-3] + "json")["sha256"] == sha256(content).hexdigest()
    for path in lying:
        assert house.billed()[f"mirror {path[:3]}"] == 1
    assert desk.left_over() == []


def test_e2e_embedded_texts_stand_in_every_copy(desk: Desk, house: House) -> None:
    row = {"image": "a.png", "instruction": "mirror — grün"}
    desk.picture("a.png")
    desk.rows(dict(row, output="one.png"), dict(row, output="two.png"))

    ended = desk.run("--embed", "--sidecar")

    assert ended.edits == (1, 1)
    one = texts(desk.out / "one.png")
    assert one["instruction"] == "mirror — grün"
    assert one["model"] == "qwen-image-edit"
    assert one["request_id"] == told(desk, "one.json")["request_id"]
    assert one["edit_key"] == told(desk, "one.json")["key"]
    assert (desk.out / "one.png").read_bytes() == (desk.out / "two.png").read_bytes()
    assert house.fetches() == 1


@pytest.mark.parametrize(("first", "second"), [("--embed", ""), ("", "--embed")])
def test_e2e_changing_embed_later_alters_and_pays_nothing(
    desk: Desk, house: House, first: str, second: str
) -> None:
    desk.rows(*desk.items(2))
    assert desk.run(*filter(None, [first])).status == 0
    before = {name: (desk.out / name).read_bytes() for name in desk.results()}
    posts, fetches = house.posts(), house.fetches()

    ended = desk.run(*filter(None, [second]))

    assert ended.items == {"total": 2, "saved": 2, "reused": 2}
    assert before == {name: (desk.out / name).read_bytes() for name in desk.results()}
    assert (house.posts(), house.fetches()) == (posts, fetches)
    assert not any(audited(desk)["counts"].values())
    # Deleted, it comes back as its copy or its URL gives it: with the flag of this run.
    (desk.out / "p00.png").unlink()
    assert desk.run(*filter(None, [second])).status == 0
    assert bool(texts(desk.out / "p00.png")) is bool(second)
    assert house.posts() == posts


def test_e2e_a_result_that_is_no_png_is_left_as_it_came_and_that_is_said_once(
    desk: Desk, house: House
) -> None:
    for _ in range(2):
        house.fail("result_jpeg")
    desk.rows(*desk.items(3))

    ended = desk.run("--embed", "--sidecar")

    assert ended.status == 0
    assert ended.stderr.count("results that are no PNG are left as they came") == 1
    (first, second) = sorted(desk.out.glob("*.jpg"))
    for jpeg in (first, second):
        assert told(desk, jpeg.name.partition(".")[0] + ".json")["result"] == jpeg.name
        with Image.open(jpeg) as image:
            assert image.format == "JPEG"
    assert audited(desk)["foreign"]["count"] == 0
