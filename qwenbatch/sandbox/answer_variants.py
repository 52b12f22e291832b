"""The variants of an answer that says neither success nor failure, and of mischief with a success.

In these the edit has usually run. `RESULT_URL_MARK` stands for the result's URL.
"""

from __future__ import annotations

from qwenbatch.sandbox import shapes
from qwenbatch.sandbox.faults import FaultKind
from qwenbatch.sandbox.variants import (
    PADDING_MARK,
    RESULT_URL_MARK,
    Conduct,
    Shape,
    Variant,
)

_REQUEST_ID = "5e0d0a1c-0000-4000-8000-a15e01234567"
_URL = RESULT_URL_MARK.decode()
_SUCCESS = shapes.success_body(_REQUEST_ID, _URL, 1024, 1024)


def _dump_with(output: object, *, code: str = "") -> bytes:
    told = {"status_code": 200, "request_id": _REQUEST_ID, "code": code, "message": ""}
    return shapes.as_json({**told, "output": output, "usage": None})


def _content(content: object) -> object:
    return {"choices": [{"message": {"role": "assistant", "content": content}}]}


def _unreadable(name: str, shape: Shape, body: bytes, *, status: int = 200) -> Variant:
    return Variant(
        kind=FaultKind.UNREADABLE,
        name=name,
        shape=shape,
        status=status,
        body=body,
        headers=(shapes.JSON_TYPE,),
    )


UNREADABLE_VARIANTS: tuple[Variant, ...] = (
    _unreadable("dump-null-output", Shape.DUMP, _dump_with(None)),
    _unreadable("dump-no-choices", Shape.DUMP, _dump_with({"choices": []})),
    _unreadable("dump-null-choices", Shape.DUMP, _dump_with({"choices": None})),
    _unreadable("dump-no-content", Shape.DUMP, _dump_with(_content([]))),
    _unreadable("dump-text-only", Shape.DUMP, _dump_with(_content([{"text": "Here you are."}]))),
    _unreadable("dump-empty-url", Shape.DUMP, _dump_with(_content([{"image": ""}]))),
    _unreadable("dump-null-url", Shape.DUMP, _dump_with(_content([{"image": None}]))),
    _unreadable("plain-success-only", Shape.PLAIN, shapes.as_json({"success": True})),
    _unreadable("plain-empty-object", Shape.PLAIN, b"{}"),
    _unreadable("bare-empty", Shape.BARE, b""),
    _unreadable("bare-no-content", Shape.BARE, b"", status=204),
    _unreadable("bare-accepted", Shape.BARE, b"", status=202),
    _unreadable("bare-created-empty-object", Shape.PLAIN, b"{}", status=201),
    _unreadable("bare-html", Shape.BARE, shapes.html_body("One moment, please")),
    _unreadable("bare-list", Shape.BARE, b"[]"),
    _unreadable("bare-null", Shape.BARE, b"null"),
    _unreadable("bare-string", Shape.BARE, b'"done"'),
    _unreadable("bare-cut-json", Shape.BARE, b'{"status_code": 200, "output": {"choi'),
    _unreadable("bare-not-utf-8", Shape.BARE, b'{"status_code": 200, "message": "\xff\xfe"'),
)


def _answer(
    kind: FaultKind,
    name: str,
    body: bytes,
    *,
    shape: Shape = Shape.DUMP,
    status: int | None = 200,
    content_type: str = "application/json",
    conduct: Conduct = Conduct.ANSWER,
) -> Variant:
    return Variant(
        kind=kind,
        name=name,
        shape=shape,
        status=status,
        body=body,
        headers=(("Content-Type", content_type),),
        conduct=conduct,
    )


_SIDES_MISTYPED = shapes.as_json(
    {
        "status_code": "200",
        "request_id": 5,
        "code": None,
        "message": ["fine"],
        "output": _content([{"image": _URL}]),
        "usage": {"width": "1024", "height": 1024.5, "image_count": None},
    },
)
_URL_MISTYPED = shapes.as_json(
    {"status_code": 200, "code": "", "output": _content([{"image": {"url": 5}}]), "usage": "none"},
)
_CHOICES_MISTYPED = _dump_with({"choices": {"message": _URL}})
_SHORT = shapes.as_json(
    {
        "status_code": 200,
        "request_id": _REQUEST_ID,
        "output": {"choices": [{"message": {"content": [{"image": _URL}]}}]},
    },
)
_HUGE = _SUCCESS.replace(b'"message": ""', b'"message": "' + PADDING_MARK + b'"')

_K = FaultKind

ANSWER_VARIANTS: tuple[Variant, ...] = (
    _answer(_K.ANSWER_EMPTY, "empty", b"", shape=Shape.BARE),
    _answer(
        _K.ANSWER_HTML,
        "html",
        shapes.html_body("Checking your browser"),
        shape=Shape.BARE,
        content_type="text/html; charset=utf-8",
    ),
    _answer(_K.ANSWER_CUT, "cut", _SUCCESS, conduct=Conduct.SHORT_BODY),
    _answer(_K.ANSWER_HUGE, "huge", _HUGE),
    _answer(_K.ANSWER_WRONG_TYPES, "sides", _SIDES_MISTYPED),
    _answer(_K.ANSWER_WRONG_TYPES, "url", _URL_MISTYPED),
    _answer(_K.ANSWER_WRONG_TYPES, "choices", _CHOICES_MISTYPED),
    _answer(
        _K.ANSWER_WRONG_CHARSET,
        "lying",
        _SUCCESS,
        content_type="application/json; charset=utf-16",
    ),
    _answer(
        _K.ANSWER_WRONG_CHARSET,
        "unknown",
        _SUCCESS,
        content_type="application/json; charset=no-such-thing",
    ),
    _answer(_K.ANSWER_WRONG_CHARSET, "text", _SUCCESS, content_type="text/plain"),
    _answer(_K.ANSWER_WRONG_CHARSET, "byte-order-mark", b"\xef\xbb\xbf" + _SUCCESS),
    _answer(_K.ANSWER_SHORT, "short", _SHORT),
    _answer(_K.ANSWER_NEVER, "never", b"", status=None, conduct=Conduct.NEVER),
    _answer(
        _K.ANSWER_EARLY,
        "early-401",
        shapes.plain_body("Invalid or missing authentication"),
        shape=Shape.PLAIN,
        status=401,
        conduct=Conduct.EARLY,
    ),
    _answer(
        _K.ANSWER_EARLY,
        "early-429",
        shapes.plain_body("Rate limit exceeded, please retry later"),
        shape=Shape.PLAIN,
        status=429,
        conduct=Conduct.EARLY,
    ),
)


def success_variants(success: dict[str, object], *, padded: str) -> tuple[Variant, ...]:
    """Mischief with an answer that is another door's success; `padded` is a field that may grow."""
    whole = shapes.as_json(success)
    huge = shapes.as_json({**success, padded: PADDING_MARK.decode()})
    mistyped = shapes.as_json({**success, "usage": "none", "created": [], "request_id": 5})
    return (
        *(
            variant
            for variant in ANSWER_VARIANTS
            if variant.kind in {_K.ANSWER_EMPTY, _K.ANSWER_HTML, _K.ANSWER_NEVER}
        ),
        _answer(_K.ANSWER_CUT, "cut", whole, conduct=Conduct.SHORT_BODY),
        _answer(_K.ANSWER_HUGE, "huge", huge),
        _answer(_K.ANSWER_WRONG_TYPES, "sides", mistyped),
        _answer(
            _K.ANSWER_WRONG_CHARSET,
            "lying",
            whole,
            content_type="application/json; charset=utf-16",
        ),
        _answer(_K.ANSWER_WRONG_CHARSET, "text", whole, content_type="text/plain"),
        _answer(_K.ANSWER_SHORT, "short", shapes.as_json(_shortest(success))),
    )


def _shortest(success: dict[str, object]) -> dict[str, object]:
    """What must be there for a result to be found."""
    return {name: value for name, value in success.items() if name in {"output", "data"}}
