from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenbatch.sandbox import (
    BILLED_KINDS,
    RESULT_KINDS,
    TABLE_KINDS,
    VARIANTS,
    Conduct,
    Fault,
    FaultKind,
    SandboxSettings,
    Shape,
    parse_share,
    variants_of,
)
from qwenbatch.sandbox.fault_plan import FaultPlan
from qwenbatch.sandbox.fronts import FRONTS
from qwenbatch.sandbox.rate import EARLY_SECONDS, RateGate
from qwenbatch.sandbox.sizes import result_size


def test_share_is_read_as_kind_and_number() -> None:
    assert parse_share("throttled=0.1") == (FaultKind.THROTTLED, 0.1)


@pytest.mark.parametrize("text", ["throttled", "throttled=", "throttled=2", "throttled=nan", "x=1"])
def test_share_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"KIND=SHARE|share|known are"):
        parse_share(text)


def test_share_of_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'throttle' is no kind .* throttled, exhausted"):
        parse_share("throttle=0.1")


def test_shares_of_more_than_the_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 1"):
        SandboxSettings(shares={FaultKind.THROTTLED: 0.6, FaultKind.GAVE_UP: 0.6})


@pytest.mark.parametrize(
    "settings",
    [{"latency": (2.0, 1.0)}, {"rate": 0.0}, {"port": 70_000}, {"key": ""}],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"latency|rate|port|key"):
        SandboxSettings(**settings)  # type: ignore[arg-type] # wrong values on purpose


def test_fault_that_cannot_be_billed_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be billed"):
        Fault(kind=FaultKind.UNREACHABLE, billed=True)
    with pytest.raises(ValueError, match="always billed"):
        Fault(kind=FaultKind.RESULT_CUT, billed=False)


def test_fault_of_an_unknown_variant_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no variant 'x'; known are: empty"):
        FaultPlan({}, 0).script(Fault(kind=FaultKind.ANSWER_EMPTY, variant="x"))


def test_variants_have_names_of_their_own_within_a_kind() -> None:
    names = Counter((variant.kind, variant.name) for variant in VARIANTS)
    assert max(names.values()) == 1


def test_variants_stand_for_every_kind_that_is_answered() -> None:
    assert {variant.kind for variant in VARIANTS} == frozenset(FaultKind) - RESULT_KINDS
    for kind in frozenset(FaultKind) - RESULT_KINDS:
        assert any(variant.usual for variant in variants_of(kind))


@pytest.mark.parametrize(
    "kind",
    sorted(TABLE_KINDS - {FaultKind.UNREACHABLE, FaultKind.CUT_OFF, FaultKind.TOO_COMPLEX}),
)
def test_variants_of_a_row_come_in_many_shapes(kind: FaultKind) -> None:
    shapes = {variant.shape for variant in variants_of(kind)}
    assert Shape.DUMP in shapes
    assert len(shapes) >= 3


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: f"{variant.kind}-{variant.name}")
def test_variant_holds_no_mark_once_it_is_answered(variant: object) -> None:
    assert isinstance(variant, type(VARIANTS[0]))
    answer = variant.answer(result_url="http://x/y.png", now=0.0)
    assert b"@" not in answer.body
    assert not any("@" in text for _, text in answer.headers)
    assert (variant.status is None) == (
        variant.conduct not in {Conduct.ANSWER, Conduct.SHORT_BODY, Conduct.EARLY}
    )


def test_plan_serves_scripted_faults_to_the_first_that_match() -> None:
    plan = FaultPlan({}, 0)
    cat = Fault(kind=FaultKind.MODERATED, match="cat", times=2)
    any_ = Fault(kind=FaultKind.INVALID)
    plan.script(cat)
    plan.script(any_)
    served = [plan.after_body(None, text) for text in ("dog", "a cat", "a cat", "a cat")]
    assert served == [any_, cat, cat, None]


def test_plan_serves_early_faults_before_the_body_only_in_their_turn() -> None:
    plan = FaultPlan({}, 0)
    first, second = Fault(kind=FaultKind.INVALID), Fault(kind=FaultKind.ANSWER_EARLY)
    plan.script(first)
    plan.script(second)
    assert plan.before_body(None) is None
    assert plan.after_body(None, "x") == first
    assert plan.before_body(None) == second
    assert plan.before_body(None) is None


@given(seed=st.integers(0, 1_000))
def test_plan_draws_the_same_for_the_same_seed(seed: int) -> None:
    shares = {FaultKind.THROTTLED: 0.3, FaultKind.GAVE_UP: 0.3}
    one, other = FaultPlan(shares, seed), FaultPlan(shares, seed)
    assert [one.draw() for _ in range(50)] == [other.draw() for _ in range(50)]


def test_plan_draws_about_the_shares() -> None:
    plan = FaultPlan({FaultKind.THROTTLED: 0.25, FaultKind.GAVE_UP: 0.5}, 7)
    drawn = Counter(fault.kind if (fault := plan.draw()) else None for _ in range(4_000))
    assert 900 < drawn[FaultKind.THROTTLED] < 1_100
    assert 1_850 < drawn[FaultKind.GAVE_UP] < 2_150


def test_plan_takes_the_usual_variants_in_turn() -> None:
    plan = FaultPlan({}, 0)
    fault = Fault(kind=FaultKind.THROTTLED)
    usual = [variant for variant in variants_of(FaultKind.THROTTLED) if variant.usual]
    served = [plan.variant(fault, FRONTS["pixazo"]) for _ in range(len(usual) + 1)]
    assert served == [*usual, usual[0]]


def test_kinds_in_which_the_edit_had_run_are_billed() -> None:
    assert Fault(kind=FaultKind.GAVE_UP).edit_is_made
    assert not Fault(kind=FaultKind.GAVE_UP, billed=False).edit_is_made
    assert not Fault(kind=FaultKind.THROTTLED).edit_is_made
    assert FaultKind.ANSWER_EARLY not in BILLED_KINDS
    assert FaultKind.RESULT_CUT in BILLED_KINDS


@given(
    rate=st.floats(0.1, 50),
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=100),
)
def test_rate_is_never_exceeded_in_any_window(rate: float, gaps: list[float]) -> None:
    gate, now, accepted = RateGate(rate), 0.0, []
    for gap in gaps:
        now += gap
        if not gate.wait(now):
            accepted.append(now)
    most = max(1, int(rate))
    for first, beyond in zip(accepted, accepted[most:], strict=False):
        assert beyond - first >= most / rate - EARLY_SECONDS - 1e-9


def test_rate_takes_evenly_spaced_arrivals_that_jitter() -> None:
    gate = RateGate(2.0)
    jitter = (0.0, 0.004, -0.004, 0.003, -0.005, 0.0, 0.005, -0.004)
    assert [gate.wait(index * 0.5 + late) for index, late in enumerate(jitter)] == [0.0] * 8


def test_rate_refuses_with_the_time_that_is_left() -> None:
    gate = RateGate(0.5)
    assert gate.wait(10.0) == 0.0
    assert gate.wait(10.5) == pytest.approx(1.5)
    assert gate.wait(12.0) == 0.0


def test_rate_without_a_limit_takes_all() -> None:
    gate = RateGate(None)
    assert not any(gate.wait(1.0) for _ in range(1_000))


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ((600, 400), (1248, 832)),
        ((8000, 6000), (1184, 896)),
        ((512, 512), (1024, 1024)),
        ((400, 600), (832, 1248)),
        ((1, 10_000), (32, 102_400)),
    ],
)
def test_result_size_is_the_predicted_one(source: tuple[int, int], result: tuple[int, int]) -> None:
    assert result_size(*source) == result
