"""DashScope (Alibaba Cloud Model Studio), the service behind the model, asked without a gateway.

Documented: the same body and the same codes as through the gateway, a Bearer key, and results at
signed URLs that are kept for 24 hours. Keys belong to a region: those of Beijing are refused here,
and want `https://dashscope.aliyuncs.com/api/v1/services/aigc/multimodal-generation/generation`.
"""

from __future__ import annotations

from qwenbatch.core.limits import MODEL_LIMITS
from qwenbatch.core.money import MicroUSD
from qwenbatch.gateway.answers import read_answer
from qwenbatch.gateway.door import Door, KeyHeader
from qwenbatch.gateway.message_body import framed

DASHSCOPE = Door(
    name="dashscope",
    endpoint="https://dashscope-intl.aliyuncs.com/api/v1/services/aigc/multimodal-generation/generation",
    # The list price of qwen-image-edit in the Singapore region as others give it in public; the
    # price page itself was not seen. So it is a setting, as every price is.
    price=MicroUSD(45_000),
    key=KeyHeader(name="Authorization", scheme="Bearer"),
    limits=MODEL_LIMITS,
    frame=framed,
    read=read_answer,
)
