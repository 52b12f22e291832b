"""A run told by OpenTelemetry, to a small receiver of OTLP over HTTP."""

from __future__ import annotations

import gzip
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Desk

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
MISSING = "pip install 'qwenbatch[otel]'"


@dataclass
class Receiver:
    """What came; `silent` lets every export wait."""

    url: str = ""
    bodies: list[tuple[str, bytes]] = field(default_factory=list)
    silent: threading.Event | None = None

    def spans(self) -> list[Any]:
        """All spans."""
        return [
            span
            for path, body in self.bodies
            if path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def figures(self) -> dict[str, float]:
        """The last value of each sum, over all attributes."""
        found: dict[str, float] = {}
        for path, body in self.bodies:
            if path == "/v1/metrics":
                for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    for scope in resource.scope_metrics:
                        for metric in scope.metrics:
                            points = metric.sum.data_points
                            found[metric.name] = sum(p.as_int + p.as_double for p in points)
        return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()

    class Visit(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            opened.bodies.append((self.path, body))
            if opened.silent is not None:
                opened.silent.wait(30)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Visit) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened.url = f"http://127.0.0.1:{server.server_port}"
        yield opened
        if opened.silent is not None:
            opened.silent.set()
        server.shutdown()


def attribute(span: Any, name: str) -> str:
    """An attribute that is a text."""
    return next(
        (str(each.value.string_value) for each in span.attributes if each.key == name),
        "",
    )


def test_telemetry_tells_edits_and_their_attempts(desk: Desk, receiver: Receiver) -> None:
    desk.rows(*desk.items(3))
    desk.house.fail("server_error", match="mirror p00")
    desk.house.fail("moderated", match="mirror p01")
    desk.environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "TRACEPARENT": f"00-{TRACE}-{PARENT}-01",
    }
    ended = desk.run()
    assert (ended.status, ended.items) == (3, {"total": 3, "saved": 2, "failed": 1})
    assert "OpenTelemetry" not in ended.stderr

    spans = receiver.spans()
    assert Counter(span.name for span in spans) == {"run": 1, "edit": 3, "attempt": 4}
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    by_id = {span.span_id: span for span in spans}
    for span in spans:
        above: Any = by_id.get(span.parent_span_id)
        match span.name:
            case "run":
                assert span.parent_span_id.hex() == PARENT
            case "edit":
                assert above.name == "run"
            case _:
                assert above.name == "edit"
                assert above.start_time_unix_nano <= span.start_time_unix_nano
                assert span.end_time_unix_nano <= above.end_time_unix_nano
    kinds = Counter(
        (
            attribute(by_id[span.parent_span_id], "qwenbatch.image"),
            attribute(span, "qwenbatch.kind"),
        )
        for span in spans
        if span.name == "attempt"
    )
    assert kinds == {
        ("p00.png", "server_error"): 1,
        ("p00.png", "edited"): 1,
        ("p01.png", "moderated"): 1,
        ("p02.png", "edited"): 1,
    }
    figures = receiver.figures()
    assert figures["qwenbatch.attempts"] == 4
    assert figures["qwenbatch.spent"] == pytest.approx(0.11)
    assert figures["qwenbatch.items"] == 2
    assert figures["qwenbatch.in_flight"] == 0


@pytest.mark.parametrize("silent", [True, False])
def test_telemetry_that_cannot_be_exported_holds_up_and_fails_nothing(
    desk: Desk, receiver: Receiver, *, silent: bool
) -> None:
    desk.rows(*desk.items(2))
    receiver.silent = threading.Event() if silent else None
    url = receiver.url if silent else "http://127.0.0.1:1"
    desk.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = url
    began = time.monotonic()
    ended = desk.run()
    assert (ended.status, ended.items) == (0, {"total": 2, "saved": 2})
    assert ended.stderr.count("OpenTelemetry could not be exported") == 1
    assert time.monotonic() - began < 15


def test_telemetry_told_nonsense_is_left_out(desk: Desk, receiver: Receiver) -> None:
    desk.rows(*desk.items(1))
    desk.environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_BSP_MAX_QUEUE_SIZE": "-1",
    }
    ended = desk.run()
    assert ended.status == 0
    assert ended.stderr.count("OpenTelemetry's variables make no sense") == 1
    assert receiver.bodies == []


def test_telemetry_without_its_extra_says_what_to_install(
    desk: Desk, receiver: Receiver, tmp_path: Path
) -> None:
    desk.rows(*desk.items(1))
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hidden:\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'opentelemetry':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hidden)\n"
    )
    path = desk.environment.get("PYTHONPATH", "")
    desk.environment["PYTHONPATH"] = f"{hidden}:{path}"
    assert MISSING not in desk.run().stderr
    desk.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.url
    ended = desk.run()
    assert ended.status == 0
    assert ended.stderr.count(MISSING) == 1
    assert receiver.bodies == []
