-- What a route has sent is kept for each receiver, and what it reads is held for it until a person says otherwise.
CREATE TABLE ledgers (
    id        INTEGER PRIMARY KEY,
    route     INTEGER NOT NULL REFERENCES routes (id),
    receiver  TEXT NOT NULL,  -- '': of before this was written down, for the first receiver that the route then has
    UNIQUE (route, receiver)
);
INSERT INTO ledgers (id, route, receiver) SELECT id, id, '' FROM routes;

CREATE TABLE ledger_versions (
    ledger     INTEGER NOT NULL REFERENCES ledgers (id),
    object_id  TEXT NOT NULL,
    modified   TEXT NOT NULL,
    created    TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    digest     BLOB NOT NULL,
    sent       INTEGER NOT NULL,
    last_seq   INTEGER NOT NULL,  -- the last entry found to say the same, when that is not the one that began it
    PRIMARY KEY (ledger, object_id, modified)
) WITHOUT ROWID;
INSERT INTO ledger_versions
SELECT route, object_id, modified, created, seq, digest, sent, last_seq
FROM versions
ORDER BY route, object_id, modified;
DROP TABLE versions;
ALTER TABLE ledger_versions RENAME TO versions;

ALTER TABLE routes ADD COLUMN receiver TEXT NOT NULL DEFAULT '';       -- the last one
ALTER TABLE routes ADD COLUMN reads_all INTEGER NOT NULL DEFAULT 0;    -- whether it reads sources yet to come, too

PRAGMA user_version = 6;
