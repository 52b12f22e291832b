"""What a repair could save of a damaged ledger, and what it could not."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from qwenbatch.core.stops import ExitStatus


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the ledger that was built anew.

    `rows` counts the rows that were read, by table. `broken` names the tables of which something
    could not be read: how many rows they had is not known. `refused` rows were read, but make no
    sense. `guessed` edits are known by their attempts, paths or items alone: they are held to be
    paid where anything shows it, and uncertain otherwise. `nameless` ones of them have lost their
    key too. `service_read` and `id_read`: the ledger's service and id were read from it.
    """

    rows: Mapping[str, int]
    broken: tuple[str, ...]
    refused: int
    guessed: int
    nameless: int
    service: str
    service_read: bool
    id_read: bool

    @property
    def lost_money(self) -> bool:
        """Whether an edit or an attempt may be gone, and money with it."""
        return bool({"edits", "attempts"} & set(self.broken) or self.refused or self.guessed)

    @property
    def exit_status(self) -> ExitStatus:
        """Whatever is lost is a finding."""
        whole = not self.broken and not self.lost_money and self.service_read and self.id_read
        return ExitStatus.SAVED if whole else ExitStatus.UNFINISHED
