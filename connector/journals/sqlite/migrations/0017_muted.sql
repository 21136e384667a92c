-- What routes withhold because of what an analyst judged.
CREATE TABLE muted (
    route  INTEGER NOT NULL REFERENCES routes (id),
    seq    INTEGER NOT NULL REFERENCES notifications (seq) ON DELETE CASCADE,
    PRIMARY KEY (route, seq)
) WITHOUT ROWID;
CREATE INDEX muted_by_entry ON muted (seq);

PRAGMA user_version = 17;
