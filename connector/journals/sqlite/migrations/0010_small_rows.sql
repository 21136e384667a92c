-- Rows of objects take half of what they took. Ids of objects are packed (packed_ids.py).
CREATE TABLE ledger_versions (
    ledger     INTEGER NOT NULL REFERENCES ledgers (id),
    object_id  BLOB NOT NULL,     -- packed
    modified   TEXT NOT NULL,
    created    TEXT,              -- null: the same as `modified`
    seq        INTEGER NOT NULL,
    digest     BLOB NOT NULL,     -- the first 16 bytes
    sent       INTEGER NOT NULL,
    last_seq   INTEGER NOT NULL,  -- the last entry found to say the same, when that is not the one that began it
    checksum   INTEGER,           -- null: stored before, and not checked
    PRIMARY KEY (ledger, object_id, modified)
) WITHOUT ROWID;
INSERT INTO ledger_versions
SELECT ledger, packed_id(object_id), modified, nullif(created, modified), seq,
    coalesce(substr(digest, 1, 16), x''),  -- of nothing, substr() is null
    sent, last_seq, NULL
FROM versions
ORDER BY 1, 2, 3;
DROP TABLE versions;
ALTER TABLE ledger_versions RENAME TO versions;

CREATE TABLE objects (
    added       INTEGER PRIMARY KEY,  -- milliseconds since 1970, greater than all before in any collection
    collection  INTEGER NOT NULL REFERENCES collections (id),
    type        INTEGER NOT NULL REFERENCES collection_types (id),
    object_id   BLOB NOT NULL,        -- packed
    modified    INTEGER NOT NULL,     -- microseconds since 1970: the version, or when it was added for lack of one
    version     TEXT,                 -- as the object has it, '' when that is `modified` to the millisecond; null: none
    place       INTEGER NOT NULL,     -- among the versions of the object: 2 if none is older, and 1 more if none is newer
    checksum    INTEGER,              -- null: stored before, and not checked
    dictionary  INTEGER,              -- as of notifications
    body        BLOB NOT NULL         -- JSON
);
INSERT INTO objects
SELECT added, collection, type, packed_id(object_id), modified,
    CASE version WHEN strftime('%Y-%m-%dT%H:%M:%fZ', modified / 1000000.0, 'unixepoch') THEN '' ELSE version END,
    2 * is_first + is_last, checksum, dictionary, body
FROM collection_objects
ORDER BY added;
DROP TABLE collection_objects;
ALTER TABLE objects RENAME TO collection_objects;
CREATE UNIQUE INDEX collection_objects_by_id ON collection_objects (collection, object_id, modified);

-- These end with the rowid, which is `added`, as every index does: each is a list in the order of paging for each place.
CREATE INDEX collection_place ON collection_objects (collection, place);
CREATE INDEX collection_type_place ON collection_objects (type, place);
CREATE INDEX collection_version ON collection_objects (collection, modified);

PRAGMA user_version = 10;
