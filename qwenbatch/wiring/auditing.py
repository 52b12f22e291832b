"""Holds an OUT's ledger against the disk and against itself, and tells what it finds."""

from __future__ import annotations

import json
import os
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qwenbatch.core.audit import Audit, Finding, FindingKind
from qwenbatch.core.provenance import is_sidecar
from qwenbatch.core.report_files import is_report_file
from qwenbatch.ledger import auditing
from qwenbatch.ledger.lock import holder
from qwenbatch.observe.findings import tell_audit
from qwenbatch.observe.terminal import Terminal
from qwenbatch.results.audit import amiss, foreign, leftovers
from qwenbatch.results.folders import OutFolders
from qwenbatch.results.sidecars import read_sidecar
from qwenbatch.wiring.clock import SystemClock
from qwenbatch.wiring.looking import located, looked_at, printed
from qwenbatch.wiring.opening import ledger_to_read

if TYPE_CHECKING:
    from typing import TextIO

    import apsw

    from qwenbatch.core.stops import ExitStatus


def tell_findings(out: Path, *, ledger: Path | None, to: TextIO, as_json: bool) -> ExitStatus:
    """Audit the ledger of `out` and print what was found; the exit status that says it.

    It takes no lock and changes nothing. Raises LedgerError if there is no ledger, DiskError if
    OUT cannot be read.
    """
    folder = Path(os.path.abspath(out))  # noqa: PTH100 - resolve would follow links
    audit = audit_ledger(OutFolders(folder), ledger)
    with printed(to):
        if as_json:
            to.write(json.dumps(audit.to_json()) + "\n")
        else:
            tell_audit(audit, out=str(folder), console=Terminal(file=to, highlight=False))
        to.flush()
    return audit.exit_status


def audit_ledger(folders: OutFolders, ledger: Path | None) -> Audit:
    """All that can be found, in one reading of the ledger.

    What a run is doing meanwhile is no finding: attempts in flight, temporary files, and results
    that the ledger, looked at again, has elsewhere by now.
    """
    audit = Audit()
    lock = located(folders.out, ledger).lock
    now = int(SystemClock().wall() * 1000)
    audit.running = holder(lock) is not None
    with looked_at(folders.out, ledger) as db:
        audit.add(auditing.damages(db))
        if audit.counts:
            return audit  # what else a damaged file says is worth nothing
        audit.add(auditing.miscounts(db))
        with closing(ledger_to_read(folders.out, ledger)) as fresh:
            _check_files(audit, folders, db, fresh)
            for path in foreign(folders, partial(_is_ours, fresh, folders)):
                audit.add_foreign(path)
        audit.add(auditing.overdue(db, now=now))
        audit.add(auditing.uncertain(db, in_flight=not audit.running))
        audit.add(auditing.paid_again(db))
        audit.add(auditing.retried(db))
        audit.days = auditing.days(db)
    if not audit.running:
        found = list(leftovers(folders))
        audit.running = holder(lock) is not None
        if not audit.running:
            audit.add(_leftover(path) for path in found)
    return audit


def _is_ours(db: apsw.Connection, folders: OutFolders, path: str) -> bool:
    return (
        is_report_file(path)
        or auditing.knows_file(db, path)
        or (path.endswith(".json") and is_sidecar(read_sidecar(folders.file(path)) or b""))
    )


def _check_files(
    audit: Audit,
    folders: OutFolders,
    db: apsw.Connection,
    fresh: apsw.Connection,
) -> None:
    for number, key, placement in auditing.saved_placements(db):
        audit.checked += 1
        if amiss(folders, placement) is None:
            continue
        now = auditing.saved_placement(fresh, number, placement.path)
        found = None if now is None else amiss(folders, now)
        if now is not None and found is not None:
            kind, words = found
            audit.add([Finding(kind=kind, path=now.file, key=key, detail=words)])


def _leftover(path: str) -> Finding:
    return Finding(kind=FindingKind.LEFTOVER, path=path, detail="the next run removes it")
