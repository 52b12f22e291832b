"""The model service's JSON body: one message of an image and a text, then the parameters."""

from __future__ import annotations

import msgspec

from qwenbatch.core.items import MODEL
from qwenbatch.gateway.door import Frame, Order

_HEAD = (
    b'{"model":' + msgspec.json.encode(MODEL) + b',"input":{"messages":'
    b'[{"role":"user","content":[{"image":"'
)


def framed(order: Order, media_type: str) -> Frame:
    """The documented body around its image, a URL or data URI, which tells its own type."""
    del media_type
    parameters = {"negative_prompt": order.negative_prompt, "watermark": order.watermark}
    tail = b"".join(
        (
            b'"},{"text":',
            msgspec.json.encode(order.instruction),
            b'}]}]},"parameters":',
            msgspec.json.encode(parameters),
            b"}",
        ),
    )
    return Frame(_HEAD, tail, "application/json")
