"""The command `qwenbatch`, and what it returns to the shell."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its status; every error of ours is one or two lines."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from qwenbatch import __version__  # noqa: PLC0415 - nothing else is needed for this

        sys.stdout.write(f"qwenbatch {__version__}\n")
        return
    from qwenbatch.cli.app import command  # noqa: PLC0415 - as late as may be

    sys.exit(command(sys.argv[1:]))


if __name__ == "__main__":
    main()
