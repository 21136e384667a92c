-- All spellings of an observable have one name, for claims as for judgements. Up to which entry claims were kept by the
-- spelling: they are found by that, too.
ALTER TABLE ledgers ADD COLUMN spelled_until INTEGER NOT NULL DEFAULT 0;
UPDATE ledgers SET spelled_until = coalesce((SELECT max(seq) FROM claims WHERE claims.ledger = ledgers.id), 0);

PRAGMA user_version = 23;
