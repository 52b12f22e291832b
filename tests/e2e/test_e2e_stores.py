"""Sources and results in object stores: an S3 server's process, behind a proxy that fails."""

from __future__ import annotations

import base64
import json
import threading
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.e2e.conftest import SECONDS, png
from tests.stores.s3 import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwenbatch.core.store_url import StoreUrl
    from tests.e2e.conftest import Desk, Ended, Started
    from tests.stores.s3 import S3, Hostile

ALWAYS = 1_000_000


class Bay:
    """A desk whose pictures and results lie in a bucket."""

    def __init__(self, desk: Desk, s3: S3, hostile: Hostile, place: StoreUrl) -> None:
        self.desk, self.s3, self.hostile = desk, s3, hostile
        self.shop, self.out = place / "the shop", place / "out"
        desk.environment |= s3.environment(hostile.url)

    def pictures(self, count: int) -> None:
        for number in range(count):
            self.s3.put(self.shop / f"sub/p{number:02}.png", png(number))

    def start(self, source: object, *arguments: object) -> Started:
        return self.desk.start("-o", self.out, *arguments, out=False, source=str(source))

    def run(self, source: object, *arguments: object) -> Ended:
        return self.start(source, *arguments).wait()

    def tell(self, command: str, *arguments: object, status: int = 0) -> str:
        """Another command about OUT."""
        started = self.desk.start(
            *arguments, command=command, source=str(self.out), gateway=False, out=False, json_=False
        )
        ended = started.wait()
        assert ended.status == status, ended.stderr
        return ended.stdout + ended.stderr

    def results(self) -> dict[str, bytes]:
        """All results, each of which must be whole."""
        names = [key.removeprefix("out/") for key in self.s3.keys(self.out)]
        found = {}
        for name in names:
            if name.endswith(".png") and not name.startswith((".", "the shop")):
                found[name] = self.s3.get(self.out / name) or b""
                with Image.open(BytesIO(found[name])) as image:
                    image.load()
        return found


@pytest.fixture
def bay(desk_with: Callable[..., Desk], s3: S3, hostile: Hostile, store: StoreUrl) -> Bay:
    return Bay(desk_with(latency=(0.1, 0.4)), s3, hostile, store)


LEDGER = ("--ledger", "here/ledger.db")


def test_run_over_a_bucket_is_killed_and_resumed_and_nothing_is_paid_twice(bay: Bay) -> None:
    bay.pictures(12)
    bay.s3.put(bay.shop / "notes.txt", b"no picture")
    bay.s3.put(bay.shop / "old/.qwenbatch/ledger.json", b"{}")
    bay.s3.put(bay.shop / "old/result.png", png(1))
    # The way of the second: results are in flight while the last ones are put.
    bay.hostile.faults.append(Fault("PUT", "/sub/p", times=2, cut=100))
    asked = (bay.shop, "-i", "mirror", *LEDGER, "--concurrency", 4)
    run = bay.start(*asked)
    bay.desk.house.wait_billed(5)
    run.kill()

    resumed = bay.run(bay.shop, "-i", "mirror", "--concurrency", 4)

    bay.desk.house.wait_in_flight(0)
    items, books = resumed.items, bay.desk.house.books()
    assert items["saved"] + items.get("uncertain", 0) == 12
    assert {edit["posts"] for edit in books["edits"].values()} == {1}
    assert {edit["billed"] for edit in books["edits"].values()} == {1}
    assert len(bay.results()) == items["saved"]
    assert {name.rpartition("/")[0] for name in bay.results()} == {"sub"}

    bay.hostile.forget()
    again = bay.run(bay.shop, "-i", "mirror")
    assert again.edits == (0, 0)
    assert again.items == {**items, "reused": items["saved"]}
    assert bay.hostile.count("GET", "/sub/") == 0
    assert bay.hostile.count("PUT") == 0
    assert list((bay.desk.folder / "here/ledger.db.desk/.qwenbatch/tmp").iterdir()) == []


@pytest.mark.parametrize("arrives", [True, False])
def test_death_in_a_put_costs_nothing(bay: Bay, *, arrives: bool) -> None:
    bay.pictures(1)
    dead = threading.Event()

    def die() -> None:
        run.kill()
        dead.set()

    fault = Fault("PUT", "/sub/p00.png", lose=True, then=die)
    if arrives:
        bay.hostile.faults.append(fault)
    else:
        bay.hostile.before("PUT", "/sub/p00.png", lambda: None if dead.is_set() else die())
        bay.hostile.faults.append(Fault("PUT", "/sub/p00.png", cut=100))
    run = bay.start(bay.shop, "-i", "mirror", *LEDGER)
    assert dead.wait(SECONDS)
    assert len(bay.results()) == arrives

    fetched = bay.desk.house.fetches()
    resumed = bay.run(bay.shop, "-i", "mirror")
    assert resumed.items == {"total": 1, "saved": 1, "reused": 1}
    assert resumed.edits == (0, 0)
    assert len(bay.results()) == 1
    assert bay.desk.house.fetches() - fetched == (not arrives)
    assert bay.desk.house.billed() == {"mirror": 1}


def test_out_in_a_store_is_known_to_every_command(bay: Bay) -> None:
    bay.pictures(2)
    refused = bay.desk.start("-i", "x", "-o", bay.out, source=str(bay.shop), out=False).wait()
    assert refused.status == 2
    assert "no ledger can be kept" in refused.stderr
    assert "--ledger" in refused.stderr
    run = bay.run(bay.shop, "-i", "mirror", *LEDGER, "--sidecar", "--embed")
    assert run.items == {"total": 2, "saved": 2}

    told = json.loads(bay.s3.get(bay.out / "sub/p00.json") or b"")
    assert told["source"]["url"] == str(bay.shop / "sub/p00.png")
    assert told["instruction"] == "mirror"
    with Image.open(BytesIO(bay.results()["sub/p00.png"])) as image:
        assert "mirror" in str(image.info)
        assert (told["width"], told["height"]) == image.size
    assert f"{bay.out}/sub/p01.png" in bay.tell("export")
    assert "2  saved" in bay.tell("status")
    assert "no findings" in bay.tell("audit")
    assert "nothing" in bay.tell("settle", "--as", "paid")
    assert f"report: {bay.out}/report.html" in bay.tell("report")
    assert b"report_files/" in (bay.s3.get(bay.out / "report.html") or b"")
    assert sum("/report_files/" in key for key in bay.s3.keys(bay.out)) == 8

    bay.s3.put(bay.out / "sub/p00.png", b"someone's")
    bay.s3.drop(bay.out / "sub/p01.png")
    bay.s3.put(bay.out / "holiday.jpg", b"someone's")
    found = bay.tell("audit", status=3)
    assert "sub/p00.png" in found
    assert "sub/p01.png" in found
    assert "holiday.jpg" in found
    other = bay.run(bay.shop, "-i", "mirror", "--ledger", "other.db")
    assert other.status == 2
    assert "this folder's ledger is" in other.stderr
    restored = bay.run(bay.shop, "-i", "mirror")
    assert restored.edits == (0, 0)
    assert restored.items == {"total": 2, "saved": 1, "reused": 1, "invalid": 1}
    bay.s3.drop(bay.out / "sub/p00.png")
    assert set(bay.results()) == {"sub/p01.png"}


def test_manifest_in_a_store_names_pictures_beside_it_and_anywhere(bay: Bay) -> None:
    bay.pictures(1)
    place = bay.shop / "rows.jsonl"
    uri = "data:image/png;base64," + base64.b64encode(png(77)).decode()
    rows = [
        {"image": "sub/p00.png", "instruction": "one"},
        {"image": str(bay.shop / "sub/p00.png"), "instruction": "two", "output": "two.png"},
        {"image": uri, "instruction": "three", "output": "three.png"},
        {"image": "sub/none.png", "instruction": "four"},
        {"image": "../../over/the top.png", "instruction": "five"},
        {"image": f"s3://{bay.shop.bucket}/a//b.png", "instruction": "six"},
    ]
    bay.s3.put(place, "".join(json.dumps(row) + "\n" for row in rows).encode())
    run = bay.desk.run(source=str(place))
    assert run.items == {"total": 6, "saved": 3, "invalid": 3}
    assert f"{place}:4, image: sub/none.png: not sent: there is no such object" in run.stderr
    assert bay.desk.results() == {"sub/p00.png", "two.png", "three.png"}
    assert bay.desk.house.billed() == {"one": 1, "two": 1, "three": 1}

    job = bay.desk.folder / "jobs" / "night.toml"
    job.parent.mkdir()
    job.write_text(f'source = "{place}"\nout = "../out"\n')
    again = bay.desk.start(source="jobs/night.toml", out=False).wait()
    assert again.edits == (0, 0)
    assert again.items == {"total": 6, "saved": 3, "reused": 3, "invalid": 3}
    wanted = ("--state", "saved", "--format", "jsonl")
    exported = bay.desk.start(
        *wanted, command="export", source=str(bay.desk.out), gateway=False, out=False, json_=False
    ).wait()
    assert [json.loads(line)["image"] for line in exported.stdout.splitlines()] == [
        str(bay.shop / "sub/p00.png"),
        str(bay.shop / "sub/p00.png"),
        uri,
    ]

    bay.s3.put(bay.shop / "bad.csv", b"picture,what\na.png,x\n")
    bad = bay.desk.run(source=str(bay.shop / "bad.csv"))
    assert bad.status == 2
    assert str(bay.shop / "bad.csv") in bad.stderr
    missing = bay.desk.run(source=str(bay.shop / "gone.csv"))
    assert missing.status == 2
    assert f"There is no {bay.shop / 'gone.csv'}" in missing.stderr


def test_results_that_a_store_refuses_stop_the_run_and_are_put_by_the_next(bay: Bay) -> None:
    bay.pictures(3)
    denied = Fault("PUT", "/sub/", times=ALWAYS, status=403, code="AccessDenied")
    bay.hostile.faults.append(denied)
    stopped = bay.run(bay.shop, "-i", "mirror", *LEDGER)
    assert stopped.status == 9
    assert stopped.told["stopped_by"] == "disk"
    assert "the store denies it (AccessDenied)" in stopped.stderr
    assert bay.results() == {}
    paid = stopped.edits[1]

    bay.hostile.faults.clear()
    ended = bay.run(bay.shop, "-i", "mirror")
    assert ended.items["saved"] == 3
    assert ended.edits[1] == 3 - paid
    assert set(bay.desk.house.billed().values()) == {3}


def test_object_that_changes_before_it_is_sent_is_keyed_anew(bay: Bay) -> None:
    bay.pictures(1)
    source = bay.shop / "sub/p00.png"
    reads = iter(range(ALWAYS))

    def change() -> None:
        if next(reads) == 1:
            bay.s3.put(source, png(99))

    bay.hostile.before("GET", "/sub/p00.png", change)
    ended = bay.run(bay.shop, "-i", "mirror", *LEDGER)
    assert ended.items == {"total": 1, "saved": 1}
    (edit,) = bay.desk.house.books()["edits"].values()
    assert edit["posts"] == edit["billed"] == 1


def test_object_that_cannot_be_read_when_it_is_sent_costs_nothing(bay: Bay) -> None:
    bay.pictures(2)
    reads = iter(range(ALWAYS))

    def deny() -> None:
        if next(reads) == 1:
            fault = Fault("GET", "/sub/p00.png", times=ALWAYS, status=403, code="AccessDenied")
            bay.hostile.faults.append(fault)

    bay.hostile.before("GET", "/sub/p00.png", deny)
    ended = bay.run(bay.shop, "-i", "mirror", *LEDGER)
    assert ended.items == {"total": 2, "saved": 1, "invalid": 1}
    assert bay.desk.house.posts() == 1
    bay.hostile.hooks.clear()
    bay.hostile.faults.clear()
    assert bay.run(bay.shop, "-i", "mirror").items == {"total": 2, "saved": 2, "reused": 1}
    assert bay.desk.house.posts() == 2


def test_output_that_is_too_long_below_out_is_refused_before_it_is_paid(bay: Bay) -> None:
    bay.pictures(2)
    bay.out = bay.out / ("o" * 400)
    place = bay.shop / "rows.jsonl"
    rows = [
        {
            "image": "sub/p00.png",
            "instruction": "one",
            "output": "/".join(["d" * 207] * 3) + ".png",
        },
        {"image": "sub/p01.png", "instruction": "two"},
    ]
    bay.s3.put(place, "".join(json.dumps(row) + "\n" for row in rows).encode())
    run = bay.run(place, *LEDGER)
    assert run.items == {"total": 2, "saved": 1, "invalid": 1}
    assert "longer than the store takes" in bay.tell("export")
    assert bay.desk.house.billed() == {"two": 1}


def test_report_of_a_picture_that_is_gone_is_made_all_the_same(bay: Bay) -> None:
    bay.pictures(2)
    assert bay.run(bay.shop, "-i", "mirror", *LEDGER).items == {"total": 2, "saved": 2}
    bay.s3.drop(bay.shop / "sub/p00.png")
    bay.s3.drop(bay.out / "sub/p00.png")
    assert f"report: {bay.out}/report.html" in bay.tell("report")
    assert b"p00.png" in (bay.s3.get(bay.out / "report.html") or b"")


def test_object_that_someone_puts_first_stays_and_is_told(bay: Bay) -> None:
    bay.pictures(1)
    place = bay.out / "sub/p00.png"
    bay.hostile.before("PUT", "/out/sub/p00.png", lambda: bay.s3.put(place, b"theirs"))
    run = bay.run(bay.shop, "-i", "mirror", *LEDGER, "--log-format", "json")
    assert run.items == {"total": 1, "pending": 1}
    assert "sub/p00.png cannot be written: a file that is not ours lies there" in run.stderr
    assert bay.s3.get(place) == b"theirs"
    bay.hostile.hooks.clear()
    bay.s3.drop(place)
    assert bay.run(bay.shop, "-i", "mirror").items == {"total": 1, "saved": 1, "reused": 1}
    assert bay.desk.house.billed() == {"mirror": 1}


def test_ledger_of_another_out_is_refused(bay: Bay) -> None:
    bay.pictures(1)
    assert bay.run(bay.shop, "-i", "mirror", *LEDGER).items == {"total": 1, "saved": 1}
    first, bay.out = bay.out, bay.out.parent / "other"
    refused = bay.run(bay.shop, "-i", "mirror", *LEDGER)
    assert refused.status == 2
    assert f"belongs to {first}" in refused.stderr
    assert not any(key.startswith("other") for key in bay.s3.keys(bay.out))


def test_extra_that_lacks_is_named(bay: Bay) -> None:
    lacks = bay.desk.folder / "lacks" / "obstore"
    lacks.mkdir(parents=True)
    (lacks / "__init__.py").write_text("raise ModuleNotFoundError('no', name='obstore')\n")
    path = bay.desk.environment.get("PYTHONPATH", "")
    bay.desk.environment["PYTHONPATH"] = f"{lacks.parent}:{path}"
    refused = bay.run(bay.shop, "-i", "mirror", *LEDGER)
    assert refused.status == 2
    assert "pip install 'qwenbatch[cloud]'" in refused.stderr


def test_a_store_that_obeys_no_condition_is_refused_before_anything_is_sent(bay: Bay) -> None:
    bay.hostile.blind = True
    bay.pictures(1)

    for _ in range(2):
        refused = bay.run(bay.shop, "-i", "mirror it", "--ledger", "ledger.db")

        assert refused.status == 2
        assert "though it was told not to" in refused.stderr
    assert bay.desk.house.posts() == 0
