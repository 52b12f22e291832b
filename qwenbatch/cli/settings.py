"""Options into the settings of the parts that they are for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from qwenbatch.core.budget import Caps
from qwenbatch.core.plan import Asked
from qwenbatch.errors import UsageError
from qwenbatch.gateway.doors import DOORS
from qwenbatch.wiring.settings import LOCAL, MOST_HERE, RunSettings

if TYPE_CHECKING:
    from qwenbatch.cli.options import Options
    from qwenbatch.cli.told import Told
    from qwenbatch.wiring.places import Place

T = TypeVar("T", bound=msgspec.Struct)


def run_settings(told: Told) -> RunSettings:
    """The settings of a run; UsageError for options that make no sense together."""
    return settings_of(told.options, source=told.source)


def settings_of(options: Options, *, source: Place) -> RunSettings:
    """The settings of a run over a source; UsageError as for `run_settings`."""
    door = DOORS[options.service]
    if options.sandbox and options.gateway is not None:
        raise UsageError(
            "--sandbox and --gateway exclude each other",
            "a sandbox of your own, from `qwenbatch sandbox`, is reached with --gateway alone",
        )
    gateway = options.gateway or door.endpoint
    if gateway is None and not options.sandbox:
        raise UsageError(
            f"--service {door.name} needs --gateway: everybody has a server of their own",
            "say its whole endpoint, such as --gateway http://127.0.0.1:8000/v1/images/edits;"
            " or try it out with --sandbox",
        )
    if options.at is not None and options.until is None:
        raise UsageError(
            "--at without --until makes no sense",
            "say with --until when its hours end",
        )
    if options.address is not None and options.engine == LOCAL:
        raise UsageError(
            "--address without --engine ray makes no sense",
            "say --engine ray for a fleet of machines",
        )
    if options.engine == LOCAL and options.concurrency > MOST_HERE:
        raise UsageError(
            f"--concurrency {options.concurrency} is more than the {MOST_HERE:,} of one machine",
            "say less, or --engine ray for a fleet of machines",
        )
    settings = from_options(
        RunSettings,
        options,
        source=source,
        gateway=gateway or "",
        price=door.price if options.price is None else options.price,
        caps=from_options(Caps, options),
        asked=Asked(
            resend_uncertain=options.resend_uncertain,
            resend_lost=options.resend_lost,
            retry_failed=options.retry_failed or bool(options.retry_kind),
            retry_kinds=options.retry_kind,
        ),
    )
    if isinstance(settings.out_folder, Path) and os.path.isfile(settings.out_folder):  # noqa: PTH113 - False where a folder may not be read
        raise UsageError(
            f"results cannot go to {settings.out_folder}: it is a file, not a folder",
            "name a folder with -o",
        )
    return settings


def from_options(kind: type[T], options: Options, **others: Any) -> T:
    """A value whose fields are the options of the same names, apart from those given."""
    by_name = {
        name: getattr(options, name)
        for name in kind.__struct_fields__
        if name not in others and hasattr(options, name)
    }
    return kind(**by_name, **others)
