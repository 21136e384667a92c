-- Dead letters get a number that people can type, and the time of the refusal.
CREATE TABLE numbered_dead_letters (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- a number is never used twice
    route       INTEGER NOT NULL REFERENCES routes (id),
    seq         INTEGER NOT NULL,
    object_id   TEXT NOT NULL,
    by          TEXT NOT NULL,
    reason      TEXT NOT NULL,
    document    BLOB,
    refused_at  INTEGER,  -- Unix seconds; null for what was refused before this was written down
    UNIQUE (route, seq, object_id)
);
INSERT INTO numbered_dead_letters (route, seq, object_id, by, reason, document)
SELECT route, seq, object_id, by, reason, document FROM dead_letters ORDER BY seq, rowid;
DROP TABLE dead_letters;
ALTER TABLE numbered_dead_letters RENAME TO dead_letters;
CREATE INDEX dead_letters_by_notification ON dead_letters (seq);

ALTER TABLE routes ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;  -- dead letters, over all time

-- The last entry that was found to say the same as this version, when that is not the one that began it.
ALTER TABLE versions ADD COLUMN last_seq INTEGER NOT NULL DEFAULT 0;

-- The latest time of raising among what was pruned, Unix seconds: until then the history has holes.
ALTER TABLE sources ADD COLUMN pruned_until INTEGER;
UPDATE sources
SET pruned_until = (SELECT min(raised) FROM notifications WHERE source = sources.id)
WHERE kept < stored;

CREATE INDEX notifications_by_id ON notifications (source, notification_id);

PRAGMA user_version = 2;
