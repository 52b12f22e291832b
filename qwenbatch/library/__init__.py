"""The engine for programs: `qwenbatch.open` and `qwenbatch.run`."""
