"""What a manifest may say: limits, takes, URLs, the service's own bodies."""

from __future__ import annotations

import base64
import threading
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Desk


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without telling of it."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def pictures_url(desk: Desk) -> Iterator[str]:
    """Where the desk's pictures are served."""
    handler = partial(Quiet, directory=str(desk.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_limit_ends_the_manifest_there(desk: Desk) -> None:
    desk.rows(*desk.items(4))

    first = desk.run("--limit", 2)
    second = desk.run()

    assert (first.status, first.items) == (0, {"total": 2, "saved": 2})
    assert (second.status, second.items) == (0, {"total": 4, "saved": 4, "reused": 2})
    assert desk.house.posts() == 4


def test_strict_sends_nothing_if_any_row_is_bad(desk: Desk) -> None:
    desk.rows(*desk.items(2), {"image": "none.png", "instruction": "mirror"})

    strict = desk.run("--strict")

    assert (strict.status, strict.items) == (3, {"total": 3, "pending": 2, "invalid": 1})
    assert desk.house.posts() == 0
    assert "job.jsonl:3" in strict.stderr

    loose = desk.run()

    assert (loose.status, loose.items) == (3, {"total": 3, "saved": 2, "invalid": 1})


def test_another_take_is_another_edit(desk: Desk) -> None:
    (row,) = desk.items(1)
    desk.rows({**row, "output": "a.png"}, {**row, "take": 2, "output": "b.png"})

    first = desk.run()
    desk.rows({**row, "output": "a.png"}, {**row, "take": 3, "output": "b.png"})
    second = desk.run()

    assert (first.status, first.edits) == (0, (2, 2))
    assert (second.status, second.edits) == (0, (1, 1))
    assert second.items == {"total": 2, "saved": 2, "reused": 1}
    assert desk.house.billed() == {"mirror p00": 3}


def test_urls_are_sent_as_they_are_and_keyed_without_their_signature(
    desk: Desk,
    pictures_url: str,
) -> None:
    desk.picture("deep/served 1.png", 9)
    url = f"{pictures_url}/deep/served%201.png"
    row = {"image": f"{url}?X-Amz-Signature=one", "instruction": "mirror"}
    desk.rows(row)

    first = desk.run()
    desk.rows({**row, "image": f"{url}?X-Amz-Signature=two"})
    second = desk.run()

    assert (first.status, first.items) == (0, {"total": 1, "saved": 1})
    assert (second.status, second.items) == (0, {"total": 1, "saved": 1, "reused": 1})
    assert desk.results() == {"served 1.png"}
    (edit,) = desk.house.books()["edits"].values()
    assert (edit["image"], edit["billed"]) == (row["image"], 1)


def test_a_url_that_the_service_cannot_read_is_tried_twice_then_failed(
    desk: Desk,
    pictures_url: str,
) -> None:
    desk.rows({"image": f"{pictures_url}/none.png", "instruction": "mirror"})

    ended = desk.run()

    assert (ended.status, ended.items) == (3, {"total": 1, "failed": 1})
    assert ended.told["failures"] == {"source_unreachable": 1}
    assert (ended.edits, desk.house.books()["billed"]) == ((2, 0), 0)


def test_the_services_own_bodies_are_rows_and_share_keys_with_files(desk: Desk) -> None:
    path = desk.picture("p.png", 3)
    uri = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    desk.rows(
        body(uri, "mirror", output="top.png"),
        {"request": body(uri, "invert", negative_prompt="dust"), "output": "nested.png"},
        {"image": "p.png", "instruction": "mirror", "output": "file.png"},
        {"request": body("p.png", "mirror"), "output": "refused.png"},
    )

    first = desk.run()
    second = desk.run()

    assert (first.status, first.items) == (3, {"total": 4, "saved": 3, "invalid": 1})
    assert first.edits == (2, 2)
    assert second.edits == (0, 0)
    assert desk.house.billed() == {"mirror": 1, "invert": 1}
    digest = sha256(path.read_bytes()).hexdigest()
    assert {edit["image"] for edit in desk.house.books()["edits"].values()} == {digest}
    assert desk.result("top.png") == desk.result("file.png")


def test_a_csv_manifest_takes_its_instruction_from_the_command_line(desk: Desk) -> None:
    desk.items(2)
    (desk.folder / "job.csv").write_bytes(
        b"\xef\xbb\xbfimage,instruction,colour\r\np00.png,,red\r\np01.png,invert,\r\n",
    )

    ended = desk.run("-i", "mirror", source="job.csv")

    assert (ended.status, ended.items) == (0, {"total": 2, "saved": 2})
    assert desk.house.billed() == {"mirror": 1, "invert": 1}


def body(image: str, text: str, *, output: str = "", **parameters: object) -> dict[str, Any]:
    """A request body as the service takes it."""
    content = [{"image": image}, {"text": text}]
    made: dict[str, Any] = {
        "model": "qwen-image-edit",
        "input": {"messages": [{"role": "user", "content": content}]},
        "parameters": parameters,
    }
    return {**made, "output": output} if output else made
