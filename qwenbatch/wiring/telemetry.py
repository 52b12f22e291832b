"""Has a run told by OpenTelemetry, where its standard variables ask for it."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

from qwenbatch import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    from qwenbatch.observe.telemetry import Telemetry

PATIENCE = 5.0
"""Seconds that the end of a run waits for what is still to be exported."""

_ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)


@contextmanager
def telemetry() -> Iterator[Telemetry | None]:
    """The observer, if an endpoint is named and the extra is installed; exported when it is left.

    Exports are made by threads of their own, from a bounded queue; what fails of them is said once
    on stderr.
    """
    if not any(map(os.environ.get, _ENDPOINTS)) or _is_on("OTEL_SDK_DISABLED"):
        yield None
        return
    failures = _Failures()
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(failures)
    logger.propagate = False
    exported = _prepared()
    try:
        yield None if exported is None else exported.observer
    finally:
        done = exported is None or exported.end()
        if failures.seen or not done:
            _say("OpenTelemetry could not be exported, at least in part: see its endpoint")


@dataclass(frozen=True, slots=True)
class _Exported:
    """An observer, and the two whose end brings out what it still holds."""

    observer: Telemetry
    spans: TracerProvider
    figures: MeterProvider

    def end(self) -> bool:
        """Bring out what is left; False if that takes too long, and is given up."""
        # Daemons both: they hold no exit up.
        ends = [Thread(target=each.shutdown, daemon=True) for each in (self.spans, self.figures)]
        for end in ends:
            end.start()
        last = monotonic() + PATIENCE
        for end in ends:
            end.join(max(0.0, last - monotonic()))
        return not any(end.is_alive() for end in ends)


def _prepared() -> _Exported | None:
    """What the environment's variables make; None, and told, if that cannot be."""
    try:
        return _exported()
    except ImportError:
        _say(
            "OpenTelemetry is asked for by its variables, and is not installed:"
            " pip install 'qwenbatch[otel]'",
        )
    except ValueError:
        _say("OpenTelemetry's variables make no sense to it: nothing is exported")
    return None


def _exported() -> _Exported:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415 - an extra
        OTLPMetricExporter,
    )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415 - an extra
        PeriodicExportingMetricReader,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - an extra
        TraceContextTextMapPropagator,
    )

    from qwenbatch.observe.telemetry import Telemetry  # noqa: PLC0415 - imports an extra

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "qwenbatch"}
    resource = Resource.create({**named, "service.version": __version__})
    spans = TracerProvider(resource=resource, shutdown_on_exit=False)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    figures = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    carrier = {"traceparent": os.environ.get("TRACEPARENT", "")}
    observer = Telemetry(
        spans.get_tracer("qwenbatch", __version__),
        figures.get_meter("qwenbatch", __version__),
        parent=TraceContextTextMapPropagator().extract(carrier),
    )
    return _Exported(observer, spans, figures)


class _Failures(logging.Handler):
    """Takes note that the exporters complained; their words may hold the endpoint's secrets."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen = False

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        del record
        self.seen = True


def _is_on(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() == "true"


def _say(words: str) -> None:
    with suppress(OSError):
        # Nobody reads any more; the exit status still says how the run ended.
        sys.stderr.write(f"qwenbatch: {words}\n")
