-- What can be taken back. Of each observable: from which entry on the receiver was told that it is bad, or no longer.
CREATE TABLE claims (
    ledger      INTEGER NOT NULL REFERENCES ledgers (id),
    observable  INTEGER NOT NULL,  -- 64 bits of a digest
    seq         INTEGER NOT NULL,
    stands      INTEGER NOT NULL,  -- whether it is bad, from this entry on
    last_seq    INTEGER NOT NULL,  -- the last entry that said the same, when that is not the one that began it
    checksum    INTEGER NOT NULL,
    PRIMARY KEY (ledger, observable, seq)
) WITHOUT ROWID;

ALTER TABLE versions ADD COLUMN valid_until TEXT;  -- null: it does not say, or (stored before) within the digest
ALTER TABLE versions ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;

ALTER TABLE routes ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;  -- notifications that took something back

PRAGMA user_version = 15;
