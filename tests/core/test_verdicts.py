from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwenbatch.core.stops import HALTS
from qwenbatch.core.verdicts import (
    ACCEPTED,
    BREAKING,
    RETRIED_ONCE,
    VERDICTS,
    Answer,
    Kind,
    Verdict,
    kind_of,
    verdict_of,
)
from qwenbatch.gateway.answers import read_answer

URL = "https://pub-1.r2.dev/qwen-image-edit/1.png"


def judged(status: int, body: object) -> Kind | None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return kind_of(read_answer(status=status, headers={}, body=raw, now=0.0))


def plain(error: str) -> dict[str, Any]:
    return {"error": error}


def gateway(status: int, message: str, **more: str) -> dict[str, Any]:
    return {"statusCode": status, "message": message, **more}


def model(code: str, message: str = "") -> dict[str, Any]:
    return {"request_id": "r", "code": code, "message": message}


def dump(status: int, code: str, message: str = "") -> dict[str, Any]:
    return {
        "status_code": status,
        "request_id": "r",
        "code": code,
        "message": message,
        "output": None,
        "usage": None,
    }


# CONTRACT's table, row by row: kind, verdict, and what of it the service itself says:
# HTTP status, code, message. Each is read in the model's own shape and as a dump in HTTP 200.
CODED = {
    (Kind.THROTTLED, Verdict.RETRY): [
        (429, "Throttling", ""),
        (429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later."),
        (429, "Throttling.BurstRate", ""),
        (429, "Throttling.AllocationQuota", "Allocated quota exceeded, please increase it."),
        (400, "Throttling", ""),
    ],
    (Kind.EXHAUSTED, Verdict.HALT): [
        (429, "Throttling.AllocationQuota", "Free allocated quota exceeded."),
        (429, "", "Free allocated quota exceeded."),
        (429, "CommodityNotPurchased", ""),
        (429, "PrepaidBillOverdue", ""),
        (429, "PostpaidBillOverdue", ""),
        (402, "", ""),
        (400, "Arrearage", "Access denied, please make sure your account is in good standing."),
        (403, "Arrearage", ""),
        (403, "AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted."),
    ],
    (Kind.DENIED, Verdict.HALT): [
        (401, "", ""),
        (401, "InvalidApiKey", "Invalid API-key provided."),
        (403, "", ""),
        (403, "AccessDenied", ""),
        (403, "AccessDenied.Unpurchased", ""),
        (403, "Model.AccessDenied", ""),
    ],
    (Kind.MISADDRESSED, Verdict.HALT): [
        (404, "", ""),
        (404, "ModelNotFound", ""),
        (400, "InvalidParameter", "Model not exist."),
    ],
    (Kind.MODERATED, Verdict.FAIL): [
        (400, "DataInspectionFailed", "Input data may contain inappropriate content."),
        (400, "data_inspection_failed", ""),
        (400, "IPInfringementSuspect", ""),
        (400, "CustomRoleBlocked", ""),
        (400, "InvalidParameter", "The image failed the Green Network verification."),
    ],
    (Kind.SOURCE_UNREACHABLE, Verdict.RETRY): [
        (400, "InvalidURL", ""),
        (400, "InvalidURL.ConnectionRefused", ""),
        (400, "InvalidParameter", "Download the media resource timed out during the task."),
        (400, "InvalidParameter.DataInspection", "Unable to download the media resource."),
        (400, "InvalidParameter", "download image failed"),
    ],
    (Kind.INVALID, Verdict.FAIL): [
        (400, "", ""),
        (400, "InvalidParameter", "The image is too small."),
        (400, "InvalidParameter.FileUnreadable", ""),
        (400, "BadRequest.TooLarge", ""),
        (413, "", ""),
        (422, "", ""),
        (405, "", ""),
        (418, "", ""),
        (499, "", ""),
        (400, "NeverHeardOf", "whatever"),
    ],
    (Kind.SERVER_ERROR, Verdict.RETRY): [
        (500, "InternalError", "An internal error has occurred."),
        (500, "InternalError.Algo", ""),
        (500, "InternalError.Algo.InvalidParameter", ""),
        (500, "SystemError", ""),
        (500, "ModelServiceFailed", ""),
        (500, "ModelServingError", ""),
        (503, "", ""),
        (503, "ModelUnavailable", ""),
        (502, "InternalError", ""),
        (502, "SystemError", ""),
        (502, "ModelServingError", ""),
    ],
    (Kind.TOO_COMPLEX, Verdict.RETRY): [
        (500, "RequestTimeOut", "Request timed out, please try again later."),
        (408, "RequestTimeOut", ""),
        (504, "RequestTimeOut", ""),
    ],
    (Kind.GAVE_UP, Verdict.UNCERTAIN): [
        (408, "", ""),
        (502, "", ""),
        (504, "", ""),
        (524, "", ""),
        (501, "", ""),
        (500, "", ""),
        (599, "", ""),
        (502, "NeverHeardOf", ""),
    ],
}
CODED_ROWS = [(*row, *said) for row, all_said in CODED.items() for said in all_said]


@pytest.mark.parametrize(("kind", "verdict", "status", "code", "message"), CODED_ROWS)
def test_verdicts_of_the_model_services_failures(
    kind: Kind,
    verdict: Verdict,
    status: int,
    code: str,
    message: str,
) -> None:
    assert judged(status, model(code, message)) is kind
    assert verdict_of(kind) is verdict


@pytest.mark.parametrize(("kind", "verdict", "status", "code", "message"), CODED_ROWS)
def test_verdicts_of_failures_inside_http_200(
    kind: Kind,
    verdict: Verdict,
    status: int,
    code: str,
    message: str,
) -> None:
    assert judged(200, dump(status, code, message)) is kind
    assert verdict_of(kind) is verdict


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        (Kind.INVALID, 400, plain("Invalid request parameters")),
        (Kind.INVALID, 400, plain("Invalid parameters") | {"message": "image is missing"}),
        (Kind.DENIED, 401, plain("Invalid or missing authentication")),
        (Kind.DENIED, 403, plain("Access denied for this operation")),
        (Kind.MISADDRESSED, 404, plain("Endpoint not found")),
        (Kind.THROTTLED, 429, plain("Rate limit exceeded, please retry later")),
        (
            Kind.SERVER_ERROR,
            500,
            plain("An unexpected error occurred, please try again later"),
        ),
        (
            Kind.EXHAUSTED,
            402,
            plain("Insufficient Balance")
            | {"message": "Your wallet does not have enough balance."},
        ),
        (Kind.EXHAUSTED, 403, plain("Insufficient balance")),
        (Kind.EXHAUSTED, 403, {"message": "Your wallet does not have enough balance."}),
    ],
)
def test_verdicts_of_the_plain_shape(kind: Kind, status: int, body: dict[str, Any]) -> None:
    assert judged(status, body) is kind


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        (Kind.THROTTLED, 429, gateway(429, "Rate limit is exceeded. Try again in 57 seconds.")),
        (
            Kind.DENIED,
            401,
            gateway(401, "Access denied due to missing subscription key. Make sure to include it."),
        ),
        (Kind.DENIED, 401, gateway(401, "Access denied due to invalid subscription key.")),
        (
            Kind.EXHAUSTED,
            403,
            gateway(403, "Out of call volume quota. Quota will be replenished in 07:01:20."),
        ),
        (
            Kind.EXHAUSTED,
            403,
            gateway(403, "Out of call volume quota. Quota will be replenished in 20.09:58:55."),
        ),
        (Kind.DENIED, 403, gateway(403, "Forbidden")),
        (Kind.MISADDRESSED, 404, gateway(404, "Resource not found")),
        (
            Kind.GAVE_UP,
            500,
            gateway(500, "Internal server error", activityId="3b1cbe61"),
        ),
        (Kind.GAVE_UP, 500, gateway(500, "Internal server error")),
        (Kind.INVALID, 413, gateway(413, "Request body too large")),
    ],
)
def test_verdicts_of_the_gateways_own_shape(
    kind: Kind,
    status: int,
    body: dict[str, Any],
) -> None:
    assert judged(status, body) is kind


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b'{"error": "cut', b"[]"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Kind.UNREADABLE),
        (204, Kind.UNREADABLE),
        (299, Kind.UNREADABLE),
        (301, Kind.MISADDRESSED),
        (302, Kind.MISADDRESSED),
        (304, Kind.MISADDRESSED),
        (307, Kind.MISADDRESSED),
        (308, Kind.MISADDRESSED),
        (399, Kind.MISADDRESSED),
        (400, Kind.INVALID),
        (401, Kind.DENIED),
        (402, Kind.EXHAUSTED),
        (403, Kind.DENIED),
        (404, Kind.MISADDRESSED),
        (408, Kind.GAVE_UP),
        (413, Kind.INVALID),
        (422, Kind.INVALID),
        (429, Kind.THROTTLED),
        (500, Kind.GAVE_UP),
        (502, Kind.GAVE_UP),
        (503, Kind.SERVER_ERROR),
        (504, Kind.GAVE_UP),
        (524, Kind.GAVE_UP),
        (599, Kind.GAVE_UP),
    ],
)
def test_verdicts_of_bodies_that_say_nothing(status: int, kind: Kind, body: bytes) -> None:
    assert judged(status, body) is kind


@pytest.mark.parametrize(
    "body",
    [
        {"success": True},
        dump(200, ""),
        {"output": {"choices": []}},
        {"output": {"choices": [{"message": {"content": [{"image": 7}]}}]}},
        {"code": "", "message": "", "output": None},
    ],
)
def test_verdicts_a_success_without_a_picture_is_unreadable(body: dict[str, Any]) -> None:
    assert judged(200, body) is Kind.UNREADABLE
    assert verdict_of(Kind.UNREADABLE) is Verdict.UNCERTAIN


def test_verdicts_a_code_without_an_inner_status_counts_inside_http_200() -> None:
    body = {"request_id": "r", "code": "DataInspectionFailed", "message": "", "output": None}
    assert judged(200, body) is Kind.MODERATED


def test_verdicts_kinds_that_no_answer_gives_have_theirs_too() -> None:
    assert verdict_of(Kind.UNREACHABLE) is Verdict.RETRY
    assert verdict_of(Kind.CUT_OFF) is Verdict.UNCERTAIN
    assert verdict_of(None) is Verdict.EDITED


def test_verdicts_every_kind_of_an_attempts_end_has_one() -> None:
    # Kinds beyond these are of edits that were not sent, or are edited.
    assert set(Kind) - set(VERDICTS) == {Kind.SOURCE_CHANGED, Kind.UNFETCHED}
    told = {kind for kind, _ in CODED} | {Kind.UNREACHABLE, Kind.CUT_OFF, Kind.UNREADABLE}
    assert set(VERDICTS) == told


def test_verdicts_sets_of_kinds_agree_with_the_table() -> None:
    assert {kind for kind in Kind if VERDICTS.get(kind) is Verdict.HALT} == set(HALTS)
    assert {Kind.SOURCE_UNREACHABLE, Kind.TOO_COMPLEX} == RETRIED_ONCE
    assert not ACCEPTED & BREAKING
    assert Kind.THROTTLED not in ACCEPTED | BREAKING


# ---------------------------------------------------------------------- what beats what


@given(
    st.integers(100, 999),
    st.none() | st.integers(0, 999),
    st.sampled_from(["", "InternalError", "InvalidApiKey", "Throttling"]),
)
def test_verdicts_a_url_beats_everything(status: int, inner: int | None, code: str) -> None:
    answer = Answer(
        status=status,
        url=URL,
        inner_status=inner,
        code=code,
        message="green network verification",
        plain_error=True,
        activity=True,
    )
    assert kind_of(answer) is None


def test_verdicts_an_inner_status_beats_200_and_no_other() -> None:
    assert kind_of(Answer(status=200, inner_status=404)) is Kind.MISADDRESSED
    assert kind_of(Answer(status=201, inner_status=429)) is Kind.THROTTLED
    assert kind_of(Answer(status=503, inner_status=404)) is Kind.SERVER_ERROR
    assert kind_of(Answer(status=429, inner_status=200)) is Kind.THROTTLED


def test_verdicts_a_message_beats_a_code_and_a_code_beats_a_status() -> None:
    moderated = Answer(status=400, code="InvalidParameter", message="green network verification")
    assert kind_of(moderated) is Kind.MODERATED
    assert kind_of(Answer(status=400, code="InternalError")) is Kind.SERVER_ERROR
    assert kind_of(Answer(status=500, code="InvalidParameter.X")) is Kind.INVALID
    assert kind_of(Answer(status=403, code="Throttling.RateQuota")) is Kind.THROTTLED


def test_verdicts_phrases_count_only_with_their_statuses() -> None:
    assert kind_of(Answer(status=500, message="download image failed")) is Kind.GAVE_UP
    assert kind_of(Answer(status=429, message="out of quota")) is Kind.THROTTLED
    assert kind_of(Answer(status=400, message="insufficient balance")) is Kind.INVALID


def test_verdicts_an_instruction_that_is_echoed_decides_nothing() -> None:
    body = model("InvalidParameter", "bad image") | {"input": "Free allocated quota exceeded"}
    assert judged(400, body) is Kind.INVALID


ANSWERS = st.builds(
    Answer,
    status=st.integers(0, 1200),
    url=st.none() | st.just(URL),
    inner_status=st.none() | st.integers(0, 999),
    code=st.sampled_from([code for *_, code, _ in CODED_ROWS]) | st.text(max_size=10),
    message=st.sampled_from([message for *_, message in CODED_ROWS]) | st.text(max_size=20),
    plain_error=st.booleans(),
    activity=st.booleans(),
)


@given(ANSWERS)
@example(Answer(status=200, inner_status=0))
@example(Answer(status=999))
def test_verdicts_any_answer_has_a_kind_and_a_verdict(answer: Answer) -> None:
    kind = kind_of(answer)
    assert (kind is None) == (answer.url is not None)
    assert kind is None or kind in VERDICTS
    assert (verdict_of(kind) is Verdict.EDITED) == (kind is None)


@given(st.binary(max_size=40), st.sampled_from([200, 400, 429, 500, 502]))
def test_verdicts_any_body_has_a_kind(body: bytes, status: int) -> None:
    assert judged(status, body) in VERDICTS


@given(st.integers(200, 299), st.text(max_size=10), st.text(max_size=20))
def test_verdicts_success_without_a_url_is_never_taken_for_unpaid(
    status: int,
    code: str,
    message: str,
) -> None:
    kind = kind_of(Answer(status=status, code=f"?{code}", message=f"?{message}"))
    assert kind is Kind.UNREADABLE
