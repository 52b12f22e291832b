from __future__ import annotations

import pytest

from qwenbatch.core.stops import StopReason
from qwenbatch.core.verdicts import Kind
from qwenbatch.observe.amounts import number_of, per_second, span
from qwenbatch.observe.words import KIND_WORDS, STOP_WORDS, Words


def test_words_stand_for_every_kind_and_every_stop() -> None:
    assert set(KIND_WORDS) == set(Kind)
    assert set(STOP_WORDS) == set(StopReason)


@pytest.mark.parametrize("words", [*KIND_WORDS.values(), *STOP_WORDS.values()])
def test_words_fit_on_a_line_each(words: Words) -> None:
    assert 0 < len(words.means) <= 72
    assert 0 < len(words.advice) <= 78
    assert not f"{words.means}{words.advice}".endswith(".")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1.0, "0 s"),
        (43.2, "43 s"),
        (420.0, "7 min"),
        (7500.0, "2 h 05 min"),
        (7199.9, "2 h 00 min"),
        (4 * 86_400.0, "4 days"),
    ],
)
def test_span_says_what_counts(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_numbers_are_grouped_and_agree_with_their_noun() -> None:
    assert (number_of(1, "item"), number_of(1204, "item")) == ("1 item", "1,204 items")
    assert (per_second(1.94), per_second(0.0), per_second(0.021)) == ("1.9/s", "0.0/s", "0.02/s")
