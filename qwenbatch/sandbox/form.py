"""A multipart form, read as strictly as RFC 7578 and 2046 allow."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING

from qwenbatch.sandbox.refusal import invalid_request

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PARTS = 50
_BREAK = b"\r\n"
_END = b"--"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One field of a form; `filename` is None where it is no file."""

    name: str
    filename: str | None
    content_type: str
    data: bytes


def read_form(body: bytes, headers: Mapping[str, str]) -> list[Part]:
    """The parts of a body, in their order; RefusalError if it is no whole form."""
    boundary = _parameter(headers.get("Content-Type", ""), "boundary")
    if boundary is None:
        raise invalid_request("Content-Type must be multipart/form-data with a boundary.")
    pieces = (_BREAK + body).split(_BREAK + b"--" + boundary.encode(), MAX_PARTS + 2)
    preamble, parts, last = pieces[0], pieces[1:-1], pieces[-1]
    if preamble or not 0 < len(parts) <= MAX_PARTS or last not in {_END, _END + _BREAK}:
        raise invalid_request("The body is no whole multipart form.")
    return [_part(part) for part in parts]


def _part(text: bytes) -> Part:
    head, blank, data = text.partition(_BREAK * 2)
    if not head.startswith(_BREAK) or not blank:
        raise invalid_request("A part of the form has no head.")
    fields: dict[str, str] = {}
    for line in head.removeprefix(_BREAK).split(_BREAK):
        name, colon, value = line.partition(b":")
        if not colon:
            raise invalid_request("A part of the form has a broken head.")
        fields[name.strip().lower().decode("latin-1")] = value.strip().decode("utf-8", "replace")
    disposition = fields.get("content-disposition", "")
    name_told = _parameter(disposition, "name")
    if not disposition.lower().startswith("form-data") or not name_told:
        raise invalid_request("A part of the form has no name.")
    return Part(
        name=name_told,
        filename=_parameter(disposition, "filename"),
        content_type=fields.get("content-type", "text/plain"),
        data=data,
    )


def _parameter(header: str, name: str) -> str | None:
    """A parameter of a header's value."""
    message = Message()
    message["Content-Disposition"] = header
    value = message.get_param(name, header="Content-Disposition")
    return value if isinstance(value, str) else None
