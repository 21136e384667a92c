-- On which terms a route lets notifications through (a digest of its condition and its known-good lists) since it last
-- looked through what its receiver was told; and, while it does that, up to which observable it has come.
ALTER TABLE ledgers ADD COLUMN terms TEXT NOT NULL DEFAULT '';
ALTER TABLE ledgers ADD COLUMN reconsidered_to INTEGER;

PRAGMA user_version = 21;
