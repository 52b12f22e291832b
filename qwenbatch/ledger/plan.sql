-- A run's plan: temporary tables, on disk but never in the ledger, gone with the connection.

CREATE TEMP TABLE rows (
    number  INTEGER PRIMARY KEY,
    line    INTEGER NOT NULL,
    image   TEXT NOT NULL,
    source  TEXT NOT NULL,     -- an absolute path, or a URL
    row     BLOB NOT NULL,     -- the keyed row, or the bad one: JSON
    key     BLOB,
    path    TEXT,              -- where the result goes, relative to OUT
    fold    TEXT,              -- the path as a case-insensitive file system sees it
    level   INTEGER NOT NULL,  -- of the default name; -1: the row names its output itself
    width   INTEGER,           -- of the upright source, in pixels
    height  INTEGER,
    fate    TEXT,
    expected TEXT,             -- the state of its edit when its fate was decided
    fault   TEXT,              -- why the row is invalid: JSON
    kind    TEXT               -- why it was not even sent, where that is not the ledger's
);
CREATE TEMP TABLE sources_by_path (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE sources_by_inode (
    device INTEGER, inode INTEGER, PRIMARY KEY (device, inode)
) WITHOUT ROWID;
CREATE TEMP TABLE contested (number INTEGER PRIMARY KEY);
CREATE TEMP TABLE folders (fold TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE seen (       -- sources read by this plan, where the ledger must not be written
    path TEXT PRIMARY KEY, facts BLOB
) WITHOUT ROWID;
