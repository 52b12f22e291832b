"""Places as users name them: of this machine's file systems, or in object stores."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

from qwenbatch.core.store_url import StoreUrl, is_store_url, parse_store_url
from qwenbatch.stores.opening import Stores

Place: TypeAlias = Path | StoreUrl


def place_of(text: str) -> Place:
    """The place that a text names; ValueError for a store's URL that is none."""
    return parse_store_url(text) if is_store_url(text) else Path(text)


def absolute(place: Place) -> Place:
    """The place, whatever the working directory is; links are not followed."""
    return place if isinstance(place, StoreUrl) else Path(os.path.abspath(place))  # noqa: PTH100 - resolve would follow links


def stores_here() -> Stores:
    """Object stores, by this process's environment."""
    return Stores(os.environ)
