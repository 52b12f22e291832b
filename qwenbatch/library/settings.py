"""What a program tells a run: the command line's options, by their own names."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from qwenbatch.cli.options import OPTIONS, Options
from qwenbatch.cli.settings import settings_of
from qwenbatch.errors import UsageError
from qwenbatch.wiring.settings import (
    DEFAULT_ATTEMPTS,
    DEFAULT_CONCURRENCY,
    DEFAULT_RATE,
    DEFAULT_SERVICE,
    DEFAULT_TIMEOUT,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from decimal import Decimal

    from qwenbatch.wiring.places import Place
    from qwenbatch.wiring.settings import RunSettings

StrPath: TypeAlias = "str | os.PathLike[str]"
Dollars: TypeAlias = "str | int | float | Decimal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A run's settings; each is the option of `qwenbatch run` with its name, and has its default.

    `service` is `"pixazo"`, `"dashscope"` or `"openai"`; `gateway` and `price` are its own unless
    told. Amounts are US dollars: `"25"`, `Decimal("0.055")`. `budget` is one for a calendar period
    in UTC: `"5/day"`. `at` and `until` are local times of day, `"06:00"`, and mean the next such
    moment after a run begins. `max_duration` is `"6h"`, `"1h30m"` or a timedelta; `timeout` is in
    seconds, `rate` in edits a second. `instruction`, `negative_prompt` and `watermark` hold for
    items that do not say otherwise. `retry_kind` are kinds of failure, such as `"moderated"`.
    Relative paths are relative to the working directory.

    Nothing is read from the environment but the key (QWENBATCH_API_KEY, or the file that
    QWENBATCH_API_KEY_FILE names) and proxies. What may have been paid already is never sent again
    by a program: that is asked for on the command line (`--resend-uncertain`, `--resend-lost`).

    Values are checked by `open` and `run`, which raise UsageError.
    """

    instruction: str | None = None
    negative_prompt: str = ""
    watermark: bool = False
    limit: int | None = None
    strict: bool = False
    name: str | None = None
    overwrite: bool = False
    sidecar: bool = False
    embed: bool = False
    ledger: StrPath | None = None
    service: str = DEFAULT_SERVICE
    gateway: str | None = None
    sandbox: bool = False
    price: Dollars | None = None
    max_cost: Dollars | None = None
    budget: str | None = None
    canary: int = 0
    at: str | None = None
    until: str | None = None
    max_duration: str | timedelta | None = None
    concurrency: int = DEFAULT_CONCURRENCY
    rate: float = DEFAULT_RATE
    attempts: int = DEFAULT_ATTEMPTS
    timeout: float = DEFAULT_TIMEOUT
    retry_failed: bool = False
    retry_kind: Collection[str] = ()

    def of_run(self, source: Place, out: Place) -> RunSettings:
        """The settings of a run over a source that begins now; UsageError names what is wrong."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        values = {name: _read(name, value) for name, value in given.items() if _says(value)}
        return settings_of(Options(**values, out=out), source=source)


def _says(value: object) -> bool:
    """Whether a value says anything: None does not, nor a collection with nothing in it."""
    return value is not None and (isinstance(value, str) or value not in ((), [], set()))


def _read(field: str, value: object) -> Any:
    """A value as the option of this name reads it."""
    name = field.replace("_", "-")
    try:
        return OPTIONS[name].option.form.parse(_written(value))
    except ValueError as error:
        raise UsageError(f"{field}: {error}", f"see `qwenbatch run --help` for --{name}") from None
    except UsageError as error:
        raise UsageError(f"{field}: {error.what}", error.advice) from None


def _written(value: object) -> str:
    """A value as a person would write it for its option."""
    match value:
        case bool():
            return str(value).lower()
        case timedelta():
            return f"{value.total_seconds():.6f}s"
        case list() | tuple() | set() | frozenset():
            return ",".join(map(str, value))
        case os.PathLike():
            return os.fsdecode(value)
        case _:
            return str(value)
