"""The bodies of answers, in each of the shapes in which they come."""

from __future__ import annotations

import json

JSON_TYPE = ("Content-Type", "application/json")
HTML_TYPE = ("Content-Type", "text/html; charset=utf-8")


def as_json(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode()


def plain_body(error: str, message: str | None = None) -> bytes:
    """The shape of the service's own page."""
    return as_json({"error": error} if message is None else {"error": error, "message": message})


def gateway_body(status: int, message: str, activity: str | None = None) -> bytes:
    """The shape of the gateway's make."""
    told = {"statusCode": status, "message": message}
    return as_json(told if activity is None else {**told, "activityId": activity})


def model_body(request_id: str, code: str, message: str) -> bytes:
    """The shape of the model service."""
    return as_json({"request_id": request_id, "code": code, "message": message})


def dump_body(status: int | None, request_id: str, code: str, message: str) -> bytes:
    """The success dump with a failure in it; a `status` of None is left out."""
    head: dict[str, object] = {} if status is None else {"status_code": status}
    told = {"request_id": request_id, "code": code, "message": message}
    return as_json({**head, **told, "output": None, "usage": None})


def html_body(title: str) -> bytes:
    """What a proxy says."""
    return f"<html><head><title>{title}</title></head><body>{title}</body></html>".encode()


def success_body(request_id: str, url: str, width: int, height: int) -> bytes:
    """The long sample of the service's page, for this result."""
    content = [{"image": url}]
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    return as_json(
        {
            "status_code": 200,
            "request_id": request_id,
            "code": "",
            "message": "",
            "output": {"text": None, "finish_reason": None, "choices": [choice]},
            "usage": {
                "input_tokens": 0,
                "output_tokens": 0,
                "width": width,
                "image_count": 1,
                "height": height,
            },
        },
    )
