"""The service's own request body as a row: `model`, `input.messages`, `parameters`.

Judged strictly: whatever it asks for that this program does not send is refused, not dropped.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from qwenbatch.core.items import MODEL, Fault

_PARAMETERS = frozenset({"negative_prompt", "watermark"})
_BODY = frozenset({"model", "input", "parameters"})
_is_sent_as_it_is = re.compile(r"(?:https?://|data:)", re.IGNORECASE).match


class Body(msgspec.Struct, frozen=True):
    """What a request body asks for, each field None where it does not say; and its faults."""

    image: str | None = None
    text: str | None = None
    negative_prompt: str | None = None
    watermark: bool | None = None
    faults: tuple[Fault, ...] = ()


class _BodyError(Exception):
    """A body's first fault in some part of it; caught in this file."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(reason)
        self.fault = Fault(reason=reason, column=where)


def holds_body(values: dict[str, Any]) -> bool:
    """Whether a row is a request body, or holds one.

    Beside an `image` of our own, `input` and `request` travel unless they look like a body.
    """
    if "input" not in values and "request" not in values:
        return False
    if "image" not in values:
        return True
    return any(
        isinstance(held := values.get(name), dict) and inner in held
        for name, inner in (("input", "messages"), ("request", "input"))
    )


def body_of(values: dict[str, Any]) -> Body:
    """The request body in a row; all that belongs to it is taken out of `values`."""
    mixed = [
        name
        for name in ("image", "instruction", "negative_prompt", "watermark")
        if values.pop(name, None) is not None
    ]
    if "request" in values:
        request = values.pop("request")
        mixed += [name for name in ("input",) if values.pop(name, None) is not None]
        where = "request."
    else:
        request = {name: values.pop(name) for name in _BODY & values.keys()}
        where = ""
    faults = tuple(
        Fault(
            reason=f"{name} stands beside a request body",
            column=name,
            advice="say it in one place: in the body, or in a row of one's own",
        )
        for name in mixed
    )
    return _read(request, where, faults)


def _read(request: Any, where: str, faults: tuple[Fault, ...]) -> Body:
    image = text = negative_prompt = watermark = None
    try:
        _known(request, where.rstrip(".") or "request", _BODY)
        _check_model(request.get("model"), f"{where}model")
        image, text = _message(request.get("input"), f"{where}input")
        negative_prompt, watermark = _parameters(
            request.get("parameters", {}), f"{where}parameters"
        )
    except _BodyError as error:
        faults += (error.fault,)
    if image is not None and not _is_sent_as_it_is(image):
        image_fault = Fault(
            reason="a request body's image must be an http(s) URL or a data URI",
            column="image",
            advice='for a file write {"image": "…", "instruction": "…"}',
        )
        faults += (image_fault,)
    return Body(image, text, negative_prompt, watermark, faults)


def _known(value: Any, where: str, names: frozenset[str]) -> None:
    """Refuse what is no object, or holds anything beside these names."""
    if not isinstance(value, dict):
        raise _BodyError(where, f"{where} must be an object")
    for name in value:
        if name not in names:
            raise _BodyError(where, f'{where} holds "{name[:40]}", which is not sent')


def _check_model(value: Any, where: str) -> None:
    if value != MODEL:
        raise _BodyError(where, f'{where} must be "{MODEL}"')


def _message(value: Any, where: str) -> tuple[str, str]:
    """The image and the text of the one message."""
    _known(value, where, frozenset({"messages"}))
    messages = value.get("messages")
    where = f"{where}.messages"
    if not isinstance(messages, list) or len(messages) != 1:
        raise _BodyError(where, f"{where} must be a list of exactly one message")
    where = f"{where}[0]"
    _known(messages[0], where, frozenset({"role", "content"}))
    if messages[0].get("role") != "user":
        raise _BodyError(f"{where}.role", f'{where}.role must be "user"')
    return _content(messages[0].get("content"), f"{where}.content")


def _content(value: Any, where: str) -> tuple[str, str]:
    """The image and the text, in whichever order."""
    parts: dict[str, str] = {}
    for part in value if isinstance(value, list) else ():
        match part:
            case {"image": str() as image} if len(part) == 1 and "image" not in parts:
                parts["image"] = image
            case {"text": str() as text} if len(part) == 1 and "text" not in parts:
                parts["text"] = text
            case _:
                break
    else:
        if len(parts) == 2:  # noqa: PLR2004 - the image and the text
            return parts["image"], parts["text"]
    raise _BodyError(where, f'{where} must be exactly one {{"image"}} and one {{"text"}}')


def _parameters(value: Any, where: str) -> tuple[str | None, bool | None]:
    _known(value, where, _PARAMETERS)
    negative_prompt, watermark = value.get("negative_prompt"), value.get("watermark")
    if negative_prompt is not None and not isinstance(negative_prompt, str):
        raise _BodyError(f"{where}.negative_prompt", "negative_prompt must be a text")
    if watermark is not None and not isinstance(watermark, bool):
        raise _BodyError(f"{where}.watermark", "watermark must be true or false")
    return negative_prompt, watermark
