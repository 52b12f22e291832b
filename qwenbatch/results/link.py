"""A file's final name, given to it only where that is free."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""How a file system says that it has no hard links, or no more of them."""


def link(source: Path, target: Path) -> bool:
    """Give a file its final name unless that is taken; False if it is.

    A hard link fails where a rename would overwrite. File systems without links get a rename
    after a look: a file that appears between the two is overwritten there.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if target.exists():
            return False
        source.rename(target)
        return True
    source.unlink()
    return True
