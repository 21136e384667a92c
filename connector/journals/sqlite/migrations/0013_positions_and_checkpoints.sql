-- What decides what is delivered and fetched next has a checksum. What there is already is taken as it is, unless it
-- cannot be: a position after the last entry ever stored, a watermark ahead of the clock and of all that was stored.
ALTER TABLE positions ADD COLUMN checksum INTEGER;
UPDATE positions
SET checksum = columns_checksum('position', route, source, seq)
WHERE seq <= coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'notifications'), 0);

ALTER TABLE sources ADD COLUMN checkpoint_checksum INTEGER;  -- null, as `checkpoint`, before the first page
UPDATE sources
SET checkpoint_checksum = CASE
    WHEN json_valid(CAST(checkpoint AS TEXT))
        AND json_type(CAST(checkpoint AS TEXT), '$.watermark') = 'integer'
        AND json_extract(CAST(checkpoint AS TEXT), '$.watermark') > max(strftime('%s', 'now') + 0, coalesce(newest, 0))
    THEN -1  -- of nothing
    ELSE columns_checksum('checkpoint', id, checkpoint)
END
WHERE checkpoint IS NOT NULL;

-- What was last found damaged of a source's checkpoint or a route's positions, and made good.
CREATE TABLE damage (
    name    TEXT PRIMARY KEY,  -- of the source or route
    reason  TEXT NOT NULL,
    at      INTEGER NOT NULL   -- Unix seconds
) WITHOUT ROWID;

PRAGMA user_version = 13;
