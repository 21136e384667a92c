-- Bodies are compressed, with dictionaries that are trained on those stored before (connector/journals/sql/bodies.py).
CREATE TABLE dictionaries (
    number    INTEGER NOT NULL,
    copy      INTEGER NOT NULL,  -- each is there twice: without it, none of its bodies can be read
    kind      TEXT NOT NULL,
    content   BLOB NOT NULL,
    checksum  INTEGER NOT NULL,
    PRIMARY KEY (number, copy)
) WITHOUT ROWID;

CREATE TABLE body_kinds (
    kind      TEXT PRIMARY KEY,
    stored    INTEGER NOT NULL,  -- bodies of this kind that were compressed
    train_at  INTEGER NOT NULL   -- as soon as there are so many, the next dictionary is trained
) WITHOUT ROWID;
INSERT INTO body_kinds (kind, stored, train_at) VALUES ('notifications', 0, 1000), ('objects', 0, 1000);

-- Null: the body is not compressed. 0: without a dictionary.
ALTER TABLE notifications ADD COLUMN dictionary INTEGER;
ALTER TABLE collection_objects ADD COLUMN dictionary INTEGER;
ALTER TABLE collection_objects ADD COLUMN checksum INTEGER;

PRAGMA user_version = 9;
