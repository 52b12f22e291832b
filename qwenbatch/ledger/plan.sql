-- A run's plan: temporary tables, on disk but never in the ledger, gone with the connection.
-- The rows are lean, so that all of them may be looked through; what is long is in `texts`.

CREATE TEMP TABLE rows (
    number   INTEGER PRIMARY KEY,
    key      BLOB,
    path     TEXT,              -- where the result goes, relative to OUT
    fold     TEXT,              -- the path as a case-insensitive file system sees it
    level    INTEGER NOT NULL,  -- of the default name; -1: the row names its output itself
    fate     TEXT,
    expected TEXT,              -- the state of its edit when its fate was decided
    width    INTEGER,           -- of the upright source, in pixels
    height   INTEGER,
    fault    TEXT               -- why the row is invalid: JSON
);
CREATE TEMP TABLE texts (
    number INTEGER PRIMARY KEY,
    row    BLOB NOT NULL        -- the keyed row, or the bad one: msgpack
);
CREATE TEMP TABLE sources_by_path (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE sources_by_inode (
    device INTEGER, inode INTEGER, PRIMARY KEY (device, inode)
) WITHOUT ROWID;
CREATE TEMP TABLE passed (      -- folded names of a level that rows left while they were read
    level INTEGER, fold TEXT, PRIMARY KEY (level, fold)
) WITHOUT ROWID;
CREATE TEMP TABLE doubled (fold TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE contested (number INTEGER PRIMARY KEY);
CREATE TEMP TABLE folders (fold TEXT PRIMARY KEY) WITHOUT ROWID; -- each with its last slash
CREATE TEMP TABLE seen (        -- sources read by this plan, where the ledger must not be written
    path TEXT PRIMARY KEY, facts BLOB
) WITHOUT ROWID;
