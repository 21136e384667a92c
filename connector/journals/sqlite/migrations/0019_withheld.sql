-- What routes withhold: because of what an analyst judged or, of events, because a condition turns it away, of which
-- more may be known later.
DROP INDEX muted_by_entry;
ALTER TABLE muted RENAME TO withheld;
ALTER TABLE withheld ADD COLUMN judged INTEGER NOT NULL DEFAULT 1;
CREATE INDEX withheld_by_entry ON withheld (seq);

PRAGMA user_version = 19;
