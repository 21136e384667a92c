-- What analysts say of notifications, of observables and of rules.
CREATE TABLE judgements (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    kind      TEXT NOT NULL,      -- what is judged: notification, observable or rule
    value     TEXT NOT NULL,
    ruleset   TEXT NOT NULL,      -- of a rule; '': any
    source    TEXT NOT NULL,      -- its name; '': any
    verdict   TEXT NOT NULL,
    by        TEXT NOT NULL,
    note      TEXT NOT NULL,
    at        INTEGER NOT NULL,   -- Unix seconds
    until     INTEGER,            -- Unix seconds; null: for good
    trait     INTEGER NOT NULL,   -- of kind and value, as of the notifications that it may be about
    is_over   INTEGER NOT NULL,   -- whether it was taken back, or its time has passed
    decides   INTEGER NOT NULL,   -- whether it is the newest of what it judges that is not over; if all are, of all
    checksum  INTEGER NOT NULL
);
CREATE INDEX judgements_by_trait ON judgements (trait);
CREATE INDEX judgements_that_decide ON judgements (trait) WHERE decides = 1;
CREATE INDEX judgements_until ON judgements (until) WHERE is_over = 0 AND until IS NOT NULL;

-- The rules that matched what was judged, as far as was known then.
CREATE TABLE judged_rules (
    judgement  INTEGER NOT NULL REFERENCES judgements (id) ON DELETE CASCADE,
    source     TEXT NOT NULL,
    ruleset    TEXT NOT NULL,
    rule       TEXT NOT NULL,
    PRIMARY KEY (judgement, source, ruleset, rule)
) WITHOUT ROWID;

-- By which notifications are found of which something is said; null while that was not written down.
ALTER TABLE notifications ADD COLUMN observable INTEGER;
ALTER TABLE notifications ADD COLUMN rule INTEGER;
CREATE INDEX notifications_by_observable ON notifications (observable);
CREATE INDEX notifications_by_rule ON notifications (rule);

PRAGMA user_version = 14;
