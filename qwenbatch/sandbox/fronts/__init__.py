"""The sandbox's doors, by the names of the services whose contracts they keep."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from qwenbatch.sandbox.fronts.dashscope import DashScopeFront
from qwenbatch.sandbox.fronts.openai import OpenAIFront
from qwenbatch.sandbox.fronts.pixazo import PixazoFront

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwenbatch.sandbox.front import Front

_ALL: tuple[Front, ...] = (PixazoFront(), DashScopeFront(), OpenAIFront())

FRONTS: Mapping[str, Front] = MappingProxyType({front.name: front for front in _ALL})
