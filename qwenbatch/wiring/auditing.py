"""Holds an OUT's ledger against the disk and against itself, and tells what it finds."""

from __future__ import annotations

import json
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from qwenbatch.core.audit import Audit, Finding, FindingKind
from qwenbatch.core.provenance import is_sidecar
from qwenbatch.core.report_files import is_report_file
from qwenbatch.ledger import auditing
from qwenbatch.ledger.lock import holder
from qwenbatch.observe.findings import tell_audit
from qwenbatch.observe.terminal import Terminal
from qwenbatch.results.audit import leftovers
from qwenbatch.wiring.clock import SystemClock
from qwenbatch.wiring.looking import looked_at, permitted
from qwenbatch.wiring.opening import ledger_to_read
from qwenbatch.wiring.outs import out_at
from qwenbatch.wiring.places import absolute
from qwenbatch.wiring.printed import printed
from qwenbatch.wiring.results import amiss, foreign, sidecar_at

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    import apsw

    from qwenbatch.core.stops import ExitStatus
    from qwenbatch.wiring.outs import Out
    from qwenbatch.wiring.places import Place

_PAGE = 1000
"""Results that are looked at together."""


def tell_findings(out: Place, *, ledger: Path | None, to: TextIO, as_json: bool) -> ExitStatus:
    """Audit the ledger of `out` and print what was found; the exit status that says it.

    It takes no lock and changes nothing. Raises LedgerError if there is no ledger, DiskError if
    OUT cannot be read.
    """
    folder = absolute(out)
    with permitted(folder):
        at = out_at(folder, ledger)
    audit = audit_ledger(at)
    with printed(to):
        if as_json:
            to.write(json.dumps(audit.to_json()) + "\n")
        else:
            tell_audit(audit, out=str(folder), console=Terminal(file=to, highlight=False))
    return audit.exit_status


def audit_ledger(out: Out) -> Audit:
    """All that can be found, in one reading of the ledger.

    What a run is doing meanwhile is no finding: attempts in flight, temporary files, and results
    that the ledger, looked at again, has elsewhere by now.
    """
    audit = Audit()
    lock, ledger = out.location.lock, out.location.file
    now = int(SystemClock().wall() * 1000)
    audit.running = holder(lock) is not None
    with looked_at(out.place, ledger) as db:
        audit.add(auditing.damages(db))
        if audit.counts:
            return audit  # what else a damaged file says is worth nothing
        audit.add(auditing.miscounts(db))
        with closing(ledger_to_read(out.place, ledger)) as fresh:
            _check_files(audit, out, db, fresh)
            for path in foreign(out, partial(_is_ours, fresh, out)):
                audit.add_foreign(path)
        audit.add(auditing.overdue(db, now=now))
        audit.add(auditing.uncertain(db, in_flight=not audit.running))
        audit.add(auditing.paid_again(db))
        audit.add(auditing.retried(db))
        audit.days = auditing.days(db)
    if not audit.running:
        found = list(leftovers(out.folders))
        audit.running = holder(lock) is not None
        if not audit.running:
            audit.add(_leftover(path) for path in found)
    return audit


def _is_ours(db: apsw.Connection, out: Out, path: str) -> bool:
    return (
        is_report_file(path)
        or auditing.knows_file(db, path)
        or (path.endswith(".json") and is_sidecar(sidecar_at(out, path) or b""))
    )


def _check_files(
    audit: Audit,
    out: Out,
    db: apsw.Connection,
    fresh: apsw.Connection,
) -> None:
    saved = auditing.saved_placements(db)
    while page := list(islice(saved, _PAGE)):
        audit.checked += len(page)
        faulty = [
            (number, key, placement.path)
            for (number, key, placement), found in zip(
                page, amiss(out, [placement for _, _, placement in page]), strict=True
            )
            if found is not None
        ]
        for number, key, path in faulty:
            now = auditing.saved_placement(fresh, number, path)
            found = None if now is None else amiss(out, [now])[0]
            if now is not None and found is not None:
                kind, words = found
                audit.add([Finding(kind=kind, path=now.file, key=key, detail=words)])


def _leftover(path: str) -> Finding:
    return Finding(kind=FindingKind.LEFTOVER, path=path, detail="the next run removes it")
