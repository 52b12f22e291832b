"""Who may read the files that are made here."""

from __future__ import annotations

import os


def new_files_mode() -> int:
    """The mode of the user's own new files, by the umask.

    It can be asked for only by setting it: so this is called before any thread makes files.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    return 0o666 & ~umask
