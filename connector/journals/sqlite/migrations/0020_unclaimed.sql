-- Up to which entry something may have been delivered before claims were kept: what is known of that is found when it is
-- to be taken back.
ALTER TABLE ledgers ADD COLUMN unclaimed_until INTEGER NOT NULL DEFAULT 0;
UPDATE ledgers
SET unclaimed_until = coalesce(
    (SELECT min(seq) - 1 FROM claims WHERE claims.ledger = ledgers.id),
    (SELECT seq FROM sqlite_sequence WHERE name = 'notifications'),
    0
);

PRAGMA user_version = 20;
