"""Pixazo's gateway, for which this program was made: the model service's body, a key of its own.

Its answers come in four shapes, all of which are read as one; what they mean is the shared table.
"""

from __future__ import annotations

from types import MappingProxyType

from qwenbatch.core.limits import MODEL_LIMITS
from qwenbatch.core.money import DEFAULT_PRICE
from qwenbatch.gateway.answers import read_answer
from qwenbatch.gateway.door import Door, KeyHeader
from qwenbatch.gateway.message_body import framed

PIXAZO = Door(
    name="pixazo",
    endpoint="https://gateway.pixazo.ai/qwen-image/v1/generateMultimodeTextToImageEditRequest",
    price=DEFAULT_PRICE,
    key=KeyHeader(name="Ocp-Apim-Subscription-Key"),
    headers=MappingProxyType({"Cache-Control": "no-cache"}),
    limits=MODEL_LIMITS,
    frame=framed,
    read=read_answer,
)
