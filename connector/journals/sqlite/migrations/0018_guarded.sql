-- What routes do not say is bad, since a known-good list has it.
CREATE TABLE guarded (
    route    INTEGER NOT NULL REFERENCES routes (id),
    seq      INTEGER NOT NULL REFERENCES notifications (seq) ON DELETE CASCADE,
    value    TEXT NOT NULL,
    derived  INTEGER NOT NULL,  -- whether the notification merely names it; else it is about it, and was not delivered
    list     TEXT NOT NULL,
    entry    TEXT NOT NULL,  -- what of the list it matches
    PRIMARY KEY (route, seq, value, derived)
) WITHOUT ROWID;
CREATE INDEX guarded_by_entry ON guarded (seq);

PRAGMA user_version = 18;
