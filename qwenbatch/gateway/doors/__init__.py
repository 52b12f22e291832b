"""The doors to the model, by name. Another one is a file beside these, and its name here."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from qwenbatch.gateway.doors.dashscope import DASHSCOPE
from qwenbatch.gateway.doors.openai import OPENAI
from qwenbatch.gateway.doors.pixazo import PIXAZO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.gateway.door import Door

DOORS: Mapping[str, Door] = MappingProxyType(
    {door.name: door for door in (PIXAZO, DASHSCOPE, OPENAI)}
)
"""Every door, the default one first."""
