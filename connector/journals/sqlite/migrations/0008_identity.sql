-- Which journal this is, whatever its path: the mark beside the file says the same.
CREATE TABLE identity (
    id  TEXT NOT NULL
);
INSERT INTO identity (id) VALUES (lower(hex(randomblob(16))));

PRAGMA user_version = 8;
