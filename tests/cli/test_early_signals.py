"""Signals before and after a run heeds them: an exit status, and no traceback."""

from __future__ import annotations

import signal
import sys
from types import ModuleType

import anyio
import pytest

from qwenbatch.__main__ import ENDING, _end
from qwenbatch.wiring.signals import signals


def test_a_signal_while_asyncio_is_being_loaded_ends_with_its_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "asyncio", ModuleType("asyncio"))
    with pytest.raises(SystemExit) as ended:
        _end(signal.SIGTERM, None)
    assert ended.value.code == ENDING[signal.SIGTERM]


def test_a_run_gives_signals_back_to_who_heeded_them_before() -> None:
    before = {number: signal.getsignal(number) for number in ENDING}

    async def heed() -> None:
        with signals():
            pass

    try:
        for number in ENDING:
            signal.signal(number, _end)
        anyio.run(heed)
        assert [signal.getsignal(number) for number in ENDING] == [_end] * len(ENDING)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
