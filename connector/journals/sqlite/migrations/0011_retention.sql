-- Ids, versions and objects are forgotten too, each in its time (docs/operation.md says when).
CREATE TABLE known_ids (
    source           INTEGER NOT NULL REFERENCES sources (id),
    notification_id  TEXT NOT NULL,
    raised           INTEGER NOT NULL,  -- as of notifications
    PRIMARY KEY (source, notification_id)
) WITHOUT ROWID;
INSERT INTO known_ids
SELECT seen.source, seen.notification_id,
    coalesce(
        (
            SELECT raised FROM notifications
            WHERE notifications.source = seen.source AND notifications.notification_id = seen.notification_id
        ),
        sources.pruned_until, sources.newest, 0  -- what was pruned: raised before that
    )
FROM seen JOIN sources ON sources.id = seen.source
ORDER BY 1, 2;
DROP TABLE seen;
ALTER TABLE known_ids RENAME TO seen;
CREATE INDEX seen_by_age ON seen (source, raised);

-- The last entry that was stored on a day: how long ago an entry was stored is known after it is pruned.
CREATE TABLE days (
    day  INTEGER PRIMARY KEY,  -- since 1970
    seq  INTEGER NOT NULL
);
INSERT INTO days (day, seq)
SELECT strftime('%s', 'now') / 86400, seq FROM sqlite_sequence WHERE name = 'notifications';

-- The day on which it was last looked through for what is to be forgotten.
ALTER TABLE ledgers ADD COLUMN looked_through INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 11;
