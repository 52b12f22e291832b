"""What could go wrong on this machine, looked at line by line. Nothing is sent that could cost."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace
from yarl import URL

from qwenbatch.core.diagnosis import Check, diagnosis_json, diagnosis_status
from qwenbatch.core.store_url import StoreUrl
from qwenbatch.errors import QwenbatchError
from qwenbatch.gateway.addresses import Reach, literal_of, reach_of
from qwenbatch.gateway.doors import DOORS
from qwenbatch.gateway.proxied_reach import reach_through
from qwenbatch.gateway.reach import Unreached, reach
from qwenbatch.ledger import auditing, database
from qwenbatch.observe.findings import tell_checks
from qwenbatch.observe.proxied import WEAKER
from qwenbatch.observe.terminal import Terminal
from qwenbatch.results.folders import OutFolders
from qwenbatch.results.room import USUAL_BYTES
from qwenbatch.wiring.clock import SystemClock
from qwenbatch.wiring.looking import looked_at
from qwenbatch.wiring.machine import machine_checks
from qwenbatch.wiring.opening import network_file_system
from qwenbatch.wiring.outs import out_at
from qwenbatch.wiring.places import Place, absolute, stores_here
from qwenbatch.wiring.printed import printed
from qwenbatch.wiring.proxies import proxies_told
from qwenbatch.wiring.settings import api_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from qwenbatch.core.stops import ExitStatus
    from qwenbatch.gateway.door import Door
    from qwenbatch.gateway.proxies import Proxy
    from qwenbatch.gateway.reach import Reached

RESULTS_PER_SLOT = 3
"""Results on their way, for each edit in flight: that one, and the two that may wait."""

_GROUP_AND_OTHERS = 0o077


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at: the service, OUT or (None) the folder at hand, its ledger.

    `gateway` is its URL, None where the documented one is meant.
    """

    service: str
    gateway: str | None
    out: Place | None
    ledger: Path | None
    concurrency: int


def tell_doctor(patient: Patient, *, to: TextIO, as_json: bool) -> ExitStatus:
    """Look at everything and print it; the exit status that says whether all is ok."""
    checks = list(_checks(patient, encoding=to.encoding or "ascii"))
    with printed(to):
        if as_json:
            to.write(json.dumps(diagnosis_json(checks)) + "\n")
        else:
            tell_checks(checks, console=Terminal(file=to, highlight=False))
    return diagnosis_status(checks)


def _checks(patient: Patient, *, encoding: str) -> Iterator[Check]:
    yield from machine_checks(
        concurrency=patient.concurrency,
        now=SystemClock().wall(),
        encoding=encoding,
    )
    door = DOORS[patient.service]
    yield _key(door)
    yield _proxies()
    yield _service(door, patient.gateway)
    place = absolute(patient.out or Path.cwd())
    if isinstance(place, StoreUrl):
        yield _store(place)
    file = _ledger_file(place, patient.ledger)
    if file is not None:
        where = file.parent if isinstance(place, StoreUrl) else place
        yield _room(where, patient.concurrency, copies=door.copies)
        yield _file_system(file)
    if patient.out is not None:
        yield _ledger(place, patient.ledger)


def _store(place: StoreUrl) -> Check:
    """Whether OUT's store can be listed with the credentials at hand."""
    try:
        next(stores_here().bucket(place).walk(place.key), None)
    except QwenbatchError as error:
        return Check(name="store", says=error.what, advice=error.advice or "see the README")
    return Check(name="store", says=f"{place} can be listed")


def _ledger_file(place: Place, ledger: Path | None) -> Path | None:
    """Where OUT's ledger lies, or would; None if nobody says."""
    try:
        return out_at(place, ledger).location.file
    except (QwenbatchError, OSError):
        return (
            ledger if isinstance(place, StoreUrl) else ledger or OutFolders(place).own / "ledger.db"
        )


def _service(door: Door, gateway: str | None) -> Check:
    """Whether the service can be reached."""
    url = gateway or door.endpoint
    if url is None:
        return Check(
            name="gateway",
            says=f"{door.name} has no endpoint that all share",
            advice="say yours: --gateway http://127.0.0.1:8000/v1/images/edits",
        )
    found = _gateway(url, shown=door.key.needed or _has_key(door))
    return replace(found, says=f"{door.name}: {found.says}")


def _has_key(door: Door) -> bool:
    """Whether a key would be shown; one that cannot be read is a finding of its own."""
    try:
        return api_key(door) is not None
    except QwenbatchError:
        return True


def _key(door: Door) -> Check:
    """Whether there is a key, and where it comes from; it is never shown."""
    try:
        key = api_key(door)
    except QwenbatchError as error:
        return Check(name="key", says=error.what, advice=error.advice)
    if key is None:
        return Check(name="key", says=f"none, and {door.name} may need none")
    path = os.environ.get("QWENBATCH_API_KEY_FILE")
    if os.environ.get("QWENBATCH_API_KEY") or not path:
        return Check(name="key", says="present, from QWENBATCH_API_KEY")
    says = f"present, from the file {path} that QWENBATCH_API_KEY_FILE names"
    if Path(path).stat().st_mode & _GROUP_AND_OTHERS:
        return Check(
            name="key",
            says=f"{says}; others on this machine may read or change it",
            advice=f"chmod 600 {shlex.quote(path)}; if others did read it, get a new key",
        )
    return Check(name="key", says=says)


def _proxies() -> Check:
    """Which proxies the environment names; their passwords are not shown."""
    try:
        used = proxies_told().used()
    except QwenbatchError as error:
        return Check(name="proxy", says=error.what, advice=error.advice)
    if not used:
        return Check(name="proxy", says="the environment names none")
    return Check(name="proxy", says=f"{' and '.join(map(str, used))}; {WEAKER}")


def _gateway(url: str, *, shown: bool) -> Check:
    """Whether a gateway can be reached, to which a key is `shown` or not."""
    try:
        proxy = proxies_told().way_to(URL(url))
    except QwenbatchError:
        proxy = None  # it is a finding of its own
    reached = reach(url) if proxy is None else reach_through(proxy, url)
    if isinstance(reached, Unreached):
        return Check(
            name="gateway",
            says=f"{reached.host} cannot be reached: {reached.reason}",
            advice="check the network, its firewall, and --gateway",
        )
    if proxy is not None:
        return _gateway_behind(proxy, url, reached, shown=shown)
    says = f"{reached.host} answers at {reached.address}"
    if reached.tls is not None:
        return Check(name="gateway", says=f"{says} with {reached.tls}; no request was made")
    literal = literal_of(reached.address)
    if literal is not None and reach_of(literal) is Reach.LOOPBACK:
        return Check(name="gateway", says=f"{says}, on this machine; no request was made")
    return _unencrypted(says, url, shown=shown)


def _gateway_behind(proxy: Proxy, url: str, reached: Reached, *, shown: bool) -> Check:
    if reached.tls is not None:
        says = f"{reached.host} answers through {proxy} with {reached.tls}; no request was made"
        return Check(name="gateway", says=says)
    says = f"the proxy {proxy} answers; whether it leads to {reached.host} was not asked"
    return (
        _unencrypted(says, url, shown=shown)
        if urlsplit(url).scheme == "http"
        else Check(name="gateway", says=says)
    )


def _unencrypted(says: str, url: str, *, shown: bool) -> Check:
    if not shown:
        return Check(name="gateway", says=f"{says} without encryption; no key is shown")
    return Check(
        name="gateway",
        says=f"{says} without encryption: the key would be seen on the way",
        advice=f"use https://{urlsplit(url).netloc}",
    )


def _room(folder: Path, concurrency: int, *, copies: int) -> Check:
    """Whether what is on its way fits on OUT's disk, and OUT may be written."""
    there = _nearest(folder)
    needed = RESULTS_PER_SLOT * concurrency * copies * USUAL_BYTES
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Check(
            name="disk",
            says=f"{there} cannot be looked at: {error.strerror}",
            advice="mend the disk, or choose another folder with -o",
        )
    if not os.access(there, os.W_OK | os.X_OK):
        return Check(
            name="disk",
            says=f"{there} may not be written",
            advice="choose a folder that you may write, with -o",
        )
    megabytes = 1024 * 1024
    return Check(
        name="disk",
        says=f"{free // megabytes:,} MB free at {there}; {needed // megabytes:,} MB are kept for"
        f" what is on its way with --concurrency {concurrency}",
        advice="" if free >= needed else "free room, or use a lower --concurrency",
    )


def _file_system(file: Path) -> Check:
    """Whether a ledger may lie where it lies, or would."""
    kind = network_file_system(file)
    if kind is None:
        return Check(name="ledger's place", says=f"{file.parent} is on no network file system")
    return Check(
        name="ledger's place",
        says=f"{file.parent} is on a network file system ({kind}), where no ledger is safe",
        advice="give run --ledger with a file on a local disk; results may stay where they are",
    )


def _ledger(folder: Place, ledger: Path | None) -> Check:
    """Whether OUT's ledger opens and is sound."""
    try:
        file = out_at(folder, ledger).location.file
        if not file.exists():
            return Check(name="ledger", says="none yet: the first run makes it")
        with looked_at(folder, ledger) as db:
            found = next(auditing.damages(db), None)
            service = database.meta(db, "service")
    except QwenbatchError as error:
        return Check(name="ledger", says=error.what, advice=error.advice or "see the README")
    except OSError as error:
        return Check(
            name="ledger",
            says=f"{error.filename or folder} may not be read: {error.strerror}",
            advice="ask whoever started the runs: a ledger is for its owner alone to read",
        )
    if found is not None:
        return Check(
            name="ledger",
            says=f"{file} is damaged: {found.detail}",
            advice=f"restore it from a backup, or: qwenbatch doctor --repair {folder}",
        )
    return Check(name="ledger", says=f"{file} is sound, for {service}")


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
