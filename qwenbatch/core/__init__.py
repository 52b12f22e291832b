"""What decides and never acts: no I/O, no clock, no randomness. Time and jitter are arguments."""
