-- The ledger, version 1. Times are milliseconds since the epoch, days are whole UTC days since it,
-- money is whole micro-dollars, digests and keys are 32 bytes. A column of type ANY holds what stands
-- in a frame: text, or a UUID as its 16 bytes; the views at the end tell it whole.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,            -- 'id', 'service', 'command': the last run's words, JSON
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What many texts begin and end with, such as their folder; number 0 has neither.
CREATE TABLE frames (
    id   INTEGER PRIMARY KEY,
    head TEXT NOT NULL,
    tail TEXT NOT NULL,
    UNIQUE (head, tail)
) STRICT;
INSERT INTO frames VALUES (0, '', '');

CREATE TABLE edits (
    id      INTEGER PRIMARY KEY,
    key     BLOB NOT NULL,
    state   TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'edited', 'uncertain', 'failed')),
    origin  TEXT,                      -- while sending: what it was before
    attempt BLOB,                      -- while sending: the attempt in flight
    kind    TEXT,                      -- of its last failure
    CHECK ((state = 'sending') = (attempt IS NOT NULL)),
    CHECK ((state = 'sending') = (origin IS NOT NULL))
) STRICT;

-- All that a repair needs to name edits whose rows it cannot read: so it has the whole key.
CREATE UNIQUE INDEX edits_key ON edits (key);

CREATE TABLE attempts (
    edit       INTEGER NOT NULL REFERENCES edits,
    id         BLOB NOT NULL,
    run        INTEGER NOT NULL,
    sent_at    INTEGER NOT NULL,
    price      INTEGER NOT NULL CHECK (price >= 0),
    state      TEXT NOT NULL CHECK (state IN ('reserved', 'unpaid', 'paid', 'uncertain')),
    ended_at   INTEGER,
    kind       TEXT,
    status     INTEGER,                -- HTTP
    message    TEXT,
    request_id ANY,                    -- without a frame
    url_frame  INTEGER REFERENCES frames,
    url        ANY,                    -- of the result
    width      INTEGER,                -- as `usage` says, in pixels
    height     INTEGER,
    settled_at INTEGER,
    raw        BLOB,                   -- the answer as it came, until nothing depends on it any more
    PRIMARY KEY (edit, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX attempts_open ON attempts (state) WHERE state IN ('reserved', 'uncertain');

-- Edits that have more than one attempt: among them are all that were paid twice.
CREATE TABLE repeated (edit INTEGER PRIMARY KEY REFERENCES edits) STRICT;

CREATE TABLE placements (
    edit     INTEGER NOT NULL REFERENCES edits,
    path     TEXT NOT NULL,            -- the item's, relative to OUT
    state    TEXT NOT NULL CHECK (state IN ('waiting', 'saved', 'lost')),
    suffix   TEXT NOT NULL DEFAULT '', -- behind the path, where the result is no PNG
    replaced TEXT,                     -- where the file was moved to, relative to OUT
    digest   BLOB,                     -- of the file; recorded before it is renamed into place
    size     INTEGER,
    mtime    INTEGER,                  -- nanoseconds
    inode    INTEGER,
    PRIMARY KEY (edit, path)
) STRICT, WITHOUT ROWID;

-- Every placement is in one of these two, so that both together find all of a path.
CREATE UNIQUE INDEX placements_in_place ON placements (path)
    WHERE state = 'saved' AND replaced IS NULL;
CREATE INDEX placements_elsewhere ON placements (path)
    WHERE state <> 'saved' OR replaced IS NOT NULL;
CREATE INDEX placements_waiting ON placements (edit) WHERE state = 'waiting';

CREATE TABLE runs (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    manifest    TEXT NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    stopped_by  TEXT,
    exit_status INTEGER,
    summary     TEXT                   -- the JSON object of --json
) STRICT;

-- The rows of each manifest as its last run saw them, for status and export.
CREATE TABLE manifests (
    id   INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE items (
    manifest        INTEGER NOT NULL REFERENCES manifests,
    number          INTEGER NOT NULL,
    line            INTEGER NOT NULL,
    image_frame     INTEGER NOT NULL REFERENCES frames,
    image           ANY NOT NULL,      -- an absolute path, a URL, or for a data URI manifest#offset
    inline          BLOB,              -- a data URI's place in its manifest: JSON
    instruction     TEXT NOT NULL,
    negative_prompt TEXT NOT NULL,
    watermark       INTEGER NOT NULL,
    take            INTEGER NOT NULL,
    output          TEXT,              -- as wanted by the row
    id              TEXT,
    extra           BLOB,              -- the travelling columns, a JSON object; NULL: none
    edit            INTEGER REFERENCES edits, -- NULL: invalid before its key was known
    path            TEXT,              -- its result's, relative to OUT
    fault           TEXT,              -- why it is invalid
    PRIMARY KEY (manifest, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX items_edit ON items (edit) WHERE fault IS NULL;

-- A source's digest and looks, as long as its stat stays the same.
CREATE TABLE sources (
    frame INTEGER NOT NULL REFERENCES frames,
    path  ANY NOT NULL,
    facts BLOB NOT NULL,               -- its stamp, digest and looks: msgpack
    PRIMARY KEY (frame, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE paces (
    gateway TEXT PRIMARY KEY,
    rate    REAL NOT NULL              -- starts a second, as last learned
) STRICT, WITHOUT ROWID;

-- Running totals, moved by the triggers below in the very transaction that moves the rows.
CREATE TABLE spending (
    scope     TEXT NOT NULL,           -- 'run' or 'day'
    id        INTEGER NOT NULL,        -- the run's, or the UTC day of sending
    reserved  INTEGER NOT NULL DEFAULT 0,
    paid      INTEGER NOT NULL DEFAULT 0,
    uncertain INTEGER NOT NULL DEFAULT 0,
    attempts  INTEGER NOT NULL DEFAULT 0,
    bought    INTEGER NOT NULL DEFAULT 0, -- attempts that were paid
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tally (
    state TEXT NOT NULL,
    kind  TEXT NOT NULL,
    edits INTEGER NOT NULL,
    PRIMARY KEY (state, kind)
) STRICT, WITHOUT ROWID;

-- How many items stand how: by the state and kind of their edit ('': none), and by the state of
-- their placement where the edit is paid for. Of invalid items nothing else is told.
CREATE TABLE standings (
    invalid   INTEGER NOT NULL,
    edit      TEXT NOT NULL,
    kind      TEXT NOT NULL,
    placement TEXT NOT NULL,
    items     INTEGER NOT NULL,
    PRIMARY KEY (invalid, edit, kind, placement)
) STRICT, WITHOUT ROWID;

CREATE VIEW deltas AS SELECT NULL AS run, NULL AS sent_at, NULL AS state, NULL AS price, NULL AS sign;

CREATE TRIGGER deltas_count INSTEAD OF INSERT ON deltas BEGIN
    INSERT INTO spending (scope, id) VALUES ('run', NEW.run), ('day', NEW.sent_at / 86400000)
        ON CONFLICT DO NOTHING;
    UPDATE spending SET
        reserved  = reserved  + NEW.sign * NEW.price * (NEW.state = 'reserved'),
        paid      = paid      + NEW.sign * NEW.price * (NEW.state = 'paid'),
        uncertain = uncertain + NEW.sign * NEW.price * (NEW.state = 'uncertain'),
        attempts  = attempts  + NEW.sign,
        bought    = bought    + NEW.sign * (NEW.state = 'paid')
    WHERE (scope = 'run' AND id = NEW.run) OR (scope = 'day' AND id = NEW.sent_at / 86400000);
END;

CREATE TRIGGER attempts_inserted AFTER INSERT ON attempts BEGIN
    INSERT INTO deltas VALUES (NEW.run, NEW.sent_at, NEW.state, NEW.price, 1);
    INSERT INTO repeated SELECT NEW.edit
        WHERE (SELECT count(*) FROM attempts WHERE edit = NEW.edit) = 2
        ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER attempts_moved AFTER UPDATE OF state ON attempts WHEN OLD.state <> NEW.state BEGIN
    INSERT INTO deltas VALUES (OLD.run, OLD.sent_at, OLD.state, OLD.price, -1);
    INSERT INTO deltas VALUES (NEW.run, NEW.sent_at, NEW.state, NEW.price, 1);
END;
CREATE TRIGGER attempts_deleted AFTER DELETE ON attempts BEGIN
    INSERT INTO deltas VALUES (OLD.run, OLD.sent_at, OLD.state, OLD.price, -1);
END;

CREATE TRIGGER edits_inserted AFTER INSERT ON edits BEGIN
    INSERT INTO tally VALUES (NEW.state, ifnull(NEW.kind, ''), 1)
        ON CONFLICT DO UPDATE SET edits = edits + 1;
END;
CREATE TRIGGER edits_moved AFTER UPDATE OF state, kind ON edits BEGIN
    UPDATE tally SET edits = edits - 1 WHERE state = OLD.state AND kind = ifnull(OLD.kind, '');
    INSERT INTO tally VALUES (NEW.state, ifnull(NEW.kind, ''), 1)
        ON CONFLICT DO UPDATE SET edits = edits + 1;
END;

-- Items that come to stand elsewhere are taken from where they stood, and put there. Only a repair
-- adds an edit that has items already.
CREATE TRIGGER edits_stood_inserted AFTER INSERT ON edits BEGIN
    INSERT INTO standings
        SELECT 0, '', '', '', -1
        FROM items i WHERE i.edit = NEW.id AND i.fault IS NULL
        ON CONFLICT DO UPDATE SET items = items + excluded.items;
    INSERT INTO standings
        SELECT 0, NEW.state, ifnull(NEW.kind, ''),
               CASE WHEN NEW.state <> 'edited' THEN ''
                    ELSE ifnull((SELECT p.state FROM placements p
                                 WHERE p.edit = NEW.id AND p.path = i.path), '') END, 1
        FROM items i WHERE i.edit = NEW.id AND i.fault IS NULL
        ON CONFLICT DO UPDATE SET items = items + excluded.items;
END;
CREATE TRIGGER edits_stood_moved AFTER UPDATE OF state, kind ON edits
    WHEN OLD.state <> NEW.state OR OLD.kind IS NOT NEW.kind BEGIN
    INSERT INTO standings
        SELECT 0, OLD.state, ifnull(OLD.kind, ''),
               CASE WHEN OLD.state <> 'edited' THEN ''
                    ELSE ifnull((SELECT p.state FROM placements p
                                 WHERE p.edit = OLD.id AND p.path = i.path), '') END, -1
        FROM items i WHERE i.edit = OLD.id AND i.fault IS NULL
        ON CONFLICT DO UPDATE SET items = items + excluded.items;
    INSERT INTO standings
        SELECT 0, NEW.state, ifnull(NEW.kind, ''),
               CASE WHEN NEW.state <> 'edited' THEN ''
                    ELSE ifnull((SELECT p.state FROM placements p
                                 WHERE p.edit = NEW.id AND p.path = i.path), '') END, 1
        FROM items i WHERE i.edit = NEW.id AND i.fault IS NULL
        ON CONFLICT DO UPDATE SET items = items + excluded.items;
END;

CREATE TRIGGER placements_inserted AFTER INSERT ON placements BEGIN
    INSERT INTO standings
        SELECT 0, e.state, ifnull(e.kind, ''), '', -1
        FROM edits e JOIN items i ON i.edit = e.id
        WHERE e.id = NEW.edit AND e.state = 'edited' AND i.fault IS NULL AND i.path = NEW.path
        ON CONFLICT DO UPDATE SET items = items + excluded.items;
    INSERT INTO standings
        SELECT 0, e.state, ifnull(e.kind, ''), NEW.state, 1
        FROM edits e JOIN items i ON i.edit = e.id
        WHERE e.id = NEW.edit AND e.state = 'edited' AND i.fault IS NULL AND i.path = NEW.path
        ON CONFLICT DO UPDATE SET items = items + excluded.items;
END;
CREATE TRIGGER placements_moved AFTER UPDATE OF state ON placements
    WHEN OLD.state <> NEW.state BEGIN
    INSERT INTO standings
        SELECT 0, e.state, ifnull(e.kind, ''), OLD.state, -1
        FROM edits e JOIN items i ON i.edit = e.id
        WHERE e.id = NEW.edit AND e.state = 'edited' AND i.fault IS NULL AND i.path = NEW.path
        ON CONFLICT DO UPDATE SET items = items + excluded.items;
    INSERT INTO standings
        SELECT 0, e.state, ifnull(e.kind, ''), NEW.state, 1
        FROM edits e JOIN items i ON i.edit = e.id
        WHERE e.id = NEW.edit AND e.state = 'edited' AND i.fault IS NULL AND i.path = NEW.path
        ON CONFLICT DO UPDATE SET items = items + excluded.items;
END;
CREATE TRIGGER placements_deleted AFTER DELETE ON placements BEGIN
    INSERT INTO standings
        SELECT 0, e.state, ifnull(e.kind, ''), OLD.state, -1
        FROM edits e JOIN items i ON i.edit = e.id
        WHERE e.id = OLD.edit AND e.state = 'edited' AND i.fault IS NULL AND i.path = OLD.path
        ON CONFLICT DO UPDATE SET items = items + excluded.items;
    INSERT INTO standings
        SELECT 0, e.state, ifnull(e.kind, ''), '', 1
        FROM edits e JOIN items i ON i.edit = e.id
        WHERE e.id = OLD.edit AND e.state = 'edited' AND i.fault IS NULL AND i.path = OLD.path
        ON CONFLICT DO UPDATE SET items = items + excluded.items;
END;

-- Items are never updated, only taken out and put in.
CREATE TRIGGER items_inserted AFTER INSERT ON items BEGIN
    INSERT INTO standings
        SELECT NEW.fault IS NOT NULL, iif(NEW.fault IS NULL, ifnull(e.state, ''), ''),
               iif(NEW.fault IS NULL, ifnull(e.kind, ''), ''),
               iif(NEW.fault IS NULL AND e.state = 'edited', ifnull(p.state, ''), ''), 1
        FROM (SELECT 1) LEFT JOIN edits e ON e.id = NEW.edit
             LEFT JOIN placements p ON p.edit = e.id AND p.path = NEW.path
        WHERE true
        ON CONFLICT DO UPDATE SET items = items + 1;
END;
CREATE TRIGGER items_deleted AFTER DELETE ON items BEGIN
    INSERT INTO standings
        SELECT OLD.fault IS NOT NULL, iif(OLD.fault IS NULL, ifnull(e.state, ''), ''),
               iif(OLD.fault IS NULL, ifnull(e.kind, ''), ''),
               iif(OLD.fault IS NULL AND e.state = 'edited', ifnull(p.state, ''), ''), -1
        FROM (SELECT 1) LEFT JOIN edits e ON e.id = OLD.edit
             LEFT JOIN placements p ON p.edit = e.id AND p.path = OLD.path
        WHERE true
        ON CONFLICT DO UPDATE SET items = items - 1;
END;

-- Attempts and items with their texts whole.
CREATE VIEW attempts_whole AS SELECT
    edit, id, run, sent_at, price, state, ended_at, kind, status, message,
    CASE typeof(request_id) WHEN 'blob'
           THEN lower(substr(hex(request_id), 1, 8) || '-' || substr(hex(request_id), 9, 4)
                || '-' || substr(hex(request_id), 13, 4) || '-' || substr(hex(request_id), 17, 4)
                || '-' || substr(hex(request_id), 21))
           ELSE request_id END AS request_id,
    (SELECT head || CASE typeof(url) WHEN 'blob'
                       THEN lower(substr(hex(url), 1, 8) || '-' || substr(hex(url), 9, 4)
                            || '-' || substr(hex(url), 13, 4) || '-' || substr(hex(url), 17, 4)
                            || '-' || substr(hex(url), 21))
                       ELSE url END || tail
     FROM frames WHERE frames.id = url_frame) AS url,
    width, height, settled_at, raw
FROM attempts;

CREATE VIEW items_whole AS SELECT
    manifest, number, line,
    ifnull((SELECT head || CASE typeof(image) WHEN 'blob'
                              THEN lower(substr(hex(image), 1, 8) || '-' || substr(hex(image), 9, 4)
                                   || '-' || substr(hex(image), 13, 4) || '-' || substr(hex(image), 17, 4)
                                   || '-' || substr(hex(image), 21))
                              ELSE image END || tail
            FROM frames WHERE frames.id = image_frame), '') AS image,
    inline, instruction, negative_prompt, watermark, take, output, id, extra,
    (SELECT key FROM edits WHERE edits.id = edit) AS key, path, fault, edit
FROM items;
