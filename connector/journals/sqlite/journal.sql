-- What SQLite is asked in words of its own: json_each, max() and min() of two values, CROSS JOIN for the order of tables.

-- name: move_checkpoint
-- max() of two arguments is null when either is.
UPDATE sources
SET checkpoint = :checkpoint,
    checkpoint_checksum = :checksum,
    stored = stored + :new,
    kept = kept + :new,
    newest = coalesce(max(newest, :newest), newest, :newest)
WHERE id = :id;

-- name: reach_day
INSERT INTO days (day, seq) VALUES (:day, :seq) ON CONFLICT (day) DO UPDATE SET seq = max(seq, excluded.seq);

-- name: numbered_entries
SELECT notifications.seq, sources.name, notification_id, date, checksum, dictionary, body
FROM notifications
JOIN sources ON sources.id = notifications.source
WHERE notifications.seq IN (SELECT value FROM json_each(:seqs))
ORDER BY notifications.seq;

-- name: versions
SELECT unpacked_id(object_id), seq, digest, coalesce(created, modified), modified, sent, last_seq,
    coalesce(valid_until, ''), revoked, checksum
FROM versions
WHERE ledger = :ledger AND object_id IN (SELECT packed_id(value) FROM json_each(:object_ids))
ORDER BY seq, modified;

-- name: record_version
-- The same version again (a repeat after a failed commit) counts as a row changed; another content does not.
INSERT INTO versions (
    ledger, object_id, modified, created, seq, digest, sent, last_seq, valid_until, revoked, checksum
)
VALUES (
    :ledger, packed_id(:object_id), :modified, nullif(:created, :modified), :seq, :digest, :sent, :last_seq,
    nullif(:valid_until, ''), :revoked, :checksum
)
ON CONFLICT (ledger, object_id, modified) DO UPDATE
SET sent = CASE excluded.sent WHEN 1 THEN 1 ELSE sent END, last_seq = max(last_seq, excluded.last_seq)
WHERE created IS excluded.created AND seq = excluded.seq AND digest = excluded.digest
    AND valid_until IS excluded.valid_until AND revoked = excluded.revoked;

-- name: claims
SELECT observable, seq, stands, last_seq, checksum
FROM claims
WHERE ledger = :ledger AND observable IN (SELECT value FROM json_each(:observables))
ORDER BY observable, seq;

-- name: mark_unsent
-- They were accepted once: -1.
UPDATE versions SET sent = -1
WHERE ledger = :ledger AND object_id = packed_id(:object_id) AND modified = :modified AND sent = 1;

-- name: delete_version
DELETE FROM versions WHERE ledger = :ledger AND object_id = packed_id(:object_id) AND modified = :modified;

-- name: delete_versions_of
-- But for a revocation, which nothing may follow.
DELETE FROM versions WHERE ledger = :ledger AND object_id = packed_id(:object_id) AND revoked = 0;

-- name: ledger_after
-- Each version with the last entry that said it; null for a revocation, which nothing may follow.
-- Read on from the id as the column has it: what the disk garbled may not be packed as it was.
SELECT unpacked_id(object_id), modified, CASE revoked WHEN 0 THEN max(seq, last_seq) END, object_id
FROM versions
WHERE ledger = :ledger AND (object_id, modified) > (:object_id, :modified)
ORDER BY object_id, modified
LIMIT :limit;

-- name: dead_letters_of
SELECT id, seq, object_id
FROM dead_letters
WHERE route = :route AND seq IN (SELECT value FROM json_each(:seqs));

-- name: set_aside
SELECT seq
FROM dead_letters
WHERE route = (SELECT id FROM routes WHERE name = :route)
    AND by = 'person'
    AND seq IN (SELECT value FROM json_each(:seqs));

-- name: ask_retry
UPDATE dead_letters SET retry_asked = 1 WHERE id IN (SELECT value FROM json_each(:ids));

-- name: to_retry
SELECT DISTINCT dead_letters.seq
FROM routes
CROSS JOIN dead_letters ON dead_letters.route = routes.id AND retry_asked = 1
WHERE routes.name = :route
ORDER BY dead_letters.seq
LIMIT :limit;

-- name: routes_to_retry
SELECT name FROM routes WHERE EXISTS (SELECT 1 FROM dead_letters WHERE route = routes.id AND retry_asked = 1);

-- name: dead_letters
-- CROSS JOIN keeps the order of the tables, and with it that of the index.
SELECT dead_letters.id, routes.name, sources.name, date, refused_at,
    dead_letters.seq, by, reason, object_id, document, notification_id
FROM dead_letters
CROSS JOIN routes ON routes.id = dead_letters.route
CROSS JOIN notifications ON notifications.seq = dead_letters.seq
CROSS JOIN sources ON sources.id = notifications.source
WHERE (dead_letters.seq, dead_letters.id) > (:after_seq, :after_id) AND (:route IS NULL OR routes.name = :route)
ORDER BY dead_letters.seq, dead_letters.id
LIMIT :limit;

-- name: numbered_dead_letters
SELECT dead_letters.id, routes.name, sources.name, date, refused_at,
    dead_letters.seq, by, reason, object_id, document, notification_id
FROM dead_letters
CROSS JOIN routes ON routes.id = dead_letters.route
CROSS JOIN notifications ON notifications.seq = dead_letters.seq
CROSS JOIN sources ON sources.id = notifications.source
WHERE dead_letters.id IN (SELECT value FROM json_each(:ids))
ORDER BY dead_letters.seq, dead_letters.id;

-- name: count_dropped
UPDATE routes
SET dropped = dropped + (
    SELECT count(*)
    FROM dead_letters
    WHERE dead_letters.route = routes.id AND dead_letters.id IN (SELECT value FROM json_each(:ids))
);

-- name: count_other_dead_letters
SELECT name, count(*)
FROM routes
JOIN dead_letters ON dead_letters.route = routes.id
WHERE name NOT IN (SELECT value FROM json_each(:routes))
GROUP BY name;

-- name: count_pruned
UPDATE sources
SET kept = kept - :pruned, pruned_until = coalesce(max(pruned_until, :until), pruned_until, :until)
WHERE id = :id;
