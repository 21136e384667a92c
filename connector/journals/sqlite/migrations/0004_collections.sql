-- What a TAXII server publishes.
CREATE TABLE collections (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE
);

CREATE TABLE collection_types (
    id          INTEGER PRIMARY KEY,
    collection  INTEGER NOT NULL REFERENCES collections (id),
    type        TEXT NOT NULL,
    UNIQUE (collection, type)
);

CREATE TABLE collection_objects (
    added       INTEGER PRIMARY KEY,  -- milliseconds since 1970, greater than all before in any collection
    collection  INTEGER NOT NULL REFERENCES collections (id),
    type        INTEGER NOT NULL REFERENCES collection_types (id),
    object_id   TEXT NOT NULL,
    modified    INTEGER NOT NULL,     -- microseconds since 1970: the version, or when it was added for lack of one
    version     TEXT,                 -- as the object has it; null when it has none
    is_first    INTEGER NOT NULL,     -- whether no version of the object is older
    is_last     INTEGER NOT NULL,     -- whether none is newer
    body        BLOB NOT NULL         -- JSON
);
CREATE UNIQUE INDEX collection_objects_by_id ON collection_objects (collection, object_id, modified);

-- All of these end with the rowid, which is `added`, as every index does: each is a list in the order of paging.
CREATE INDEX collection_every ON collection_objects (collection);
CREATE INDEX collection_last ON collection_objects (collection, is_last) WHERE is_last = 1;
CREATE INDEX collection_first ON collection_objects (collection, is_first) WHERE is_first = 1;
CREATE INDEX collection_type_every ON collection_objects (type);
CREATE INDEX collection_type_last ON collection_objects (type, is_last) WHERE is_last = 1;
CREATE INDEX collection_type_first ON collection_objects (type, is_first) WHERE is_first = 1;
CREATE INDEX collection_version ON collection_objects (collection, modified);

PRAGMA user_version = 4;
