"""Where items come from: a CSV or JSONL file, or a folder. Read as a stream, never held whole."""
