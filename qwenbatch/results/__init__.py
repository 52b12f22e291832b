"""Where results are put: staged, verified, flushed, renamed into place. Whole or not at all."""
