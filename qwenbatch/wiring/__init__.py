"""The only place where parts are put together; it reads environment, clock and paths."""
