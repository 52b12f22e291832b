from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwenbatch.cli.parsing import time_of_day
from tests.cli.conftest import utc


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("now", "asked", "moment"),
    [
        ("2026-06-01 10:00", "13:00", "2026-06-01 11:00"),
        ("2026-06-01 10:00", "12:00", "2026-06-02 10:00"),
        ("2026-06-01 09:59:59.9", "12:00", "2026-06-01 10:00"),
        ("2026-06-01 10:00", "11:59", "2026-06-02 09:59"),
        # The clock leaps from 02:00 to 03:00, at 01:00 UTC.
        ("2026-03-29 00:30", "02:30", "2026-03-29 01:00"),
        ("2026-03-29 00:30", "02:00", "2026-03-29 01:00"),
        ("2026-03-29 00:30", "03:00", "2026-03-29 01:00"),
        ("2026-03-29 00:30", "03:30", "2026-03-29 01:30"),
        ("2026-03-29 01:30", "02:30", "2026-03-30 00:30"),
        ("2026-03-28 20:00", "06:00", "2026-03-29 04:00"),
        # It is put back from 03:00 to 02:00, at 01:00 UTC: 02:30 is at 00:30 and at 01:30.
        ("2026-10-24 23:00", "02:30", "2026-10-25 00:30"),
        ("2026-10-25 00:40", "02:30", "2026-10-25 01:30"),
        ("2026-10-25 00:40", "02:50", "2026-10-25 00:50"),
        ("2026-10-25 01:10", "02:30", "2026-10-25 01:30"),
        ("2026-10-25 01:40", "02:30", "2026-10-26 01:30"),
        ("2026-10-24 20:00", "06:00", "2026-10-25 05:00"),
    ],
)
def test_time_of_day_is_the_next_moment_that_the_local_clock_shows(
    now: str,
    asked: str,
    moment: str,
) -> None:
    assert time_of_day(asked, utc(now).astimezone()) == utc(moment).timestamp()


@pytest.mark.usefixtures("zone")
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1_700_000_000, 1_900_000_000), st.integers(0, 23), st.integers(0, 59))
def test_time_of_day_is_ahead_within_a_day_and_an_hour(now: int, hour: int, minute: int) -> None:
    moment = time_of_day(f"{hour}:{minute:02}", datetime.fromtimestamp(now, UTC).astimezone())
    assert 0 < moment - now <= timedelta(hours=25).total_seconds()
