-- What notifications are about is looked up again, too: after what they name, and its attributes compressed.
ALTER TABLE subjects ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;      -- 0: what entries name, looked up first; 1: what they are about
ALTER TABLE subjects ADD COLUMN named_at INTEGER NOT NULL DEFAULT 0;  -- when an entry was last stored that is about it
ALTER TABLE subjects ADD COLUMN until INTEGER NOT NULL DEFAULT 0;     -- entries up to this one know less than is known now
ALTER TABLE subjects ADD COLUMN dictionary INTEGER;                   -- of `attributes`, as of a notification's body
ALTER TABLE subjects ADD COLUMN checksum INTEGER;
DROP INDEX subjects_by_due;
CREATE INDEX subjects_by_due ON subjects (source, rank, due, state);

-- Each look-up of the last days, for a source has so many a day.
CREATE TABLE look_ups (
    source    INTEGER NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    asked_at  INTEGER NOT NULL  -- Unix seconds
);
CREATE INDEX look_ups_by_time ON look_ups (source, asked_at);
INSERT INTO look_ups (source, asked_at) SELECT source, asked_at FROM subjects WHERE asked_at > 0;

PRAGMA user_version = 16;
