"""The ledger: one SQLite file, one writer, and the only place where money is recorded."""
