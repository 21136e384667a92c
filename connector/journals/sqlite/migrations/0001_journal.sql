PRAGMA application_id = 1229148977;  -- "ICS1": this file is ours

CREATE TABLE sources (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    checkpoint  BLOB,                        -- JSON
    stored      INTEGER NOT NULL DEFAULT 0,  -- notifications ever stored
    kept        INTEGER NOT NULL DEFAULT 0,  -- of these, how many have not been pruned
    newest      INTEGER                      -- the latest date among all ever stored, Unix seconds
);

-- What is known, pruned or not: an id is stored once and never again.
CREATE TABLE seen (
    source           INTEGER NOT NULL REFERENCES sources (id),
    notification_id  TEXT NOT NULL,
    PRIMARY KEY (source, notification_id)
) WITHOUT ROWID;

CREATE TABLE notifications (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,  -- a number is never used twice, even after pruning
    source           INTEGER NOT NULL REFERENCES sources (id),
    notification_id  TEXT NOT NULL,
    date             INTEGER,           -- Unix seconds; null when the notification does not say
    raised           INTEGER NOT NULL,  -- the date, or when it was stored: what pruning goes by
    body             BLOB NOT NULL      -- JSON
);
-- Both end with the rowid, which is seq, as every index does.
CREATE INDEX notifications_by_source ON notifications (source);
CREATE INDEX notifications_by_age ON notifications (source, raised);

CREATE TABLE gaps (
    source  INTEGER NOT NULL REFERENCES sources (id),
    start   INTEGER NOT NULL,
    "end"   INTEGER NOT NULL,
    PRIMARY KEY (source, start, "end")
) WITHOUT ROWID;

-- Counts are of notifications, over all time.
CREATE TABLE routes (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    delivered  INTEGER NOT NULL DEFAULT 0,
    filtered   INTEGER NOT NULL DEFAULT 0,
    refused    INTEGER NOT NULL DEFAULT 0
);

-- One for each source, so that a source added to a route later is read from its first notification.
CREATE TABLE positions (
    route   INTEGER NOT NULL REFERENCES routes (id),
    source  INTEGER NOT NULL REFERENCES sources (id),
    seq     INTEGER NOT NULL,
    PRIMARY KEY (route, source)
) WITHOUT ROWID;

CREATE TABLE dead_letters (
    route      INTEGER NOT NULL REFERENCES routes (id),
    seq        INTEGER NOT NULL,
    object_id  TEXT NOT NULL,
    by         TEXT NOT NULL,
    reason     TEXT NOT NULL,
    document   BLOB,
    PRIMARY KEY (route, seq, object_id)
);
CREATE INDEX dead_letters_by_notification ON dead_letters (seq, route);

CREATE TABLE versions (
    route      INTEGER NOT NULL REFERENCES routes (id),
    object_id  TEXT NOT NULL,
    modified   TEXT NOT NULL,
    created    TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    digest     BLOB NOT NULL,
    sent       INTEGER NOT NULL,
    PRIMARY KEY (route, object_id, modified)
) WITHOUT ROWID;

CREATE TABLE reports (
    name    TEXT PRIMARY KEY,
    report  BLOB NOT NULL,  -- JSON
    at      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE leases (
    name             TEXT PRIMARY KEY,
    holder           TEXT NOT NULL,     -- a token of one open journal
    host             TEXT NOT NULL,
    realm            TEXT NOT NULL,     -- where a pid has a meaning: one boot, one pid namespace
    pid              INTEGER NOT NULL,
    process_started  TEXT NOT NULL,
    since            INTEGER NOT NULL,  -- Unix seconds
    expires          INTEGER NOT NULL   -- Unix seconds
) WITHOUT ROWID;

PRAGMA user_version = 1;
