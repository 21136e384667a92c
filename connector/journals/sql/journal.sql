-- What every SQL store is asked, each under a name; the tables are in the store's migrations/. Order of tables: as CROSS JOIN
-- has them. `json_each` takes a list apart, `packed_id` and `unpacked_id` are what a store has of its own.

-- name: checkpoint
SELECT id, checkpoint, checkpoint_checksum FROM sources WHERE name = :source;

-- name: add_source
INSERT INTO sources (name) VALUES (:source) ON CONFLICT (name) DO NOTHING;

-- name: source_id
SELECT id FROM sources WHERE name = :source;

-- name: add_seen
INSERT INTO seen (source, notification_id, raised) VALUES (:source, :notification_id, :raised) ON CONFLICT DO NOTHING
RETURNING 1;

-- name: add_notification
INSERT INTO notifications (
    source, notification_id, date, raised, checksum, dictionary, body, observable, rule
)
VALUES (:source, :notification_id, :date, :raised, :checksum, :dictionary, :body, :observable, :rule)
RETURNING seq;

-- name: mend_notification
-- Not where the id may be what was changed: an id that was never stored, or that of another entry.
UPDATE notifications
SET date = :date, checksum = :checksum, dictionary = :dictionary, body = :body, observable = :observable, rule = :rule
WHERE seq = :seq
    AND EXISTS (
        SELECT 1 FROM seen
        WHERE seen.source = notifications.source AND seen.notification_id = notifications.notification_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM notifications AS other
        WHERE other.source = notifications.source
            AND other.notification_id = notifications.notification_id
            AND other.seq <> notifications.seq
    );

-- name: retry_mended
UPDATE dead_letters SET retry_asked = 1 WHERE seq = :seq AND by = 'notification';

-- name: add_gap
INSERT INTO gaps (source, start, "end") VALUES (:source, :start, :end) ON CONFLICT DO NOTHING;

-- name: news
SELECT name, (SELECT coalesce(max(seq), 0) FROM notifications WHERE notifications.source = sources.id), learned
FROM sources;

-- name: entries_after
-- One source at a time, because only then does the index give the order; the caller merges.
SELECT seq, :source, notification_id, date, checksum, dictionary, body
FROM notifications
WHERE source = (SELECT id FROM sources WHERE name = :source) AND seq > :after
ORDER BY seq
LIMIT :limit;

-- name: latest_entries
SELECT seq, :source, notification_id, date, checksum, dictionary, body
FROM notifications
WHERE source = (SELECT id FROM sources WHERE name = :source) AND seq < :before
ORDER BY seq DESC
LIMIT :limit;

-- name: named_position
SELECT positions.route, positions.source, positions.seq, positions.checksum
FROM positions
JOIN routes ON routes.id = positions.route
JOIN sources ON sources.id = positions.source
WHERE routes.name = :route AND sources.name = :source;

-- name: find_entry
SELECT seq, :source, notification_id, date, checksum, dictionary, body
FROM notifications
WHERE source = (SELECT id FROM sources WHERE name = :source) AND notification_id = :notification_id;

-- name: first_since
-- `seq + 0`: by the index of ages, not by that of numbers.
SELECT min(seq + 0)
FROM notifications
WHERE source = (SELECT id FROM sources WHERE name = :source) AND raised >= :since;

-- name: add_route
INSERT INTO routes (name) VALUES (:route) ON CONFLICT (name) DO NOTHING;

-- name: route_id
SELECT id FROM routes WHERE name = :route;

-- name: ledger
-- That of a receiver, or else the one of before ledgers were kept for each: '' comes last.
SELECT ledgers.id, ledgers.receiver
FROM ledgers
JOIN routes ON routes.id = ledgers.route
WHERE routes.name = :route AND ledgers.receiver IN (:receiver, '')
ORDER BY ledgers.receiver DESC
LIMIT 1;

-- name: add_ledger
INSERT INTO ledgers (route, receiver) VALUES (:route, :receiver)
RETURNING id;

-- name: adopt_ledger
UPDATE ledgers SET receiver = :receiver WHERE id = :ledger;

-- name: unclaimed_until
SELECT unclaimed_until FROM ledgers WHERE id = :ledger;

-- name: terms
SELECT terms, reconsidered_to FROM ledgers WHERE id = :ledger;

-- name: set_terms
UPDATE ledgers SET terms = :terms, reconsidered_to = :to WHERE id = :ledger;

-- name: claimed_after
SELECT DISTINCT observable
FROM claims
WHERE ledger = :ledger AND (CAST(:after AS bigint) IS NULL OR observable > :after)
ORDER BY observable
LIMIT :limit;

-- name: spelled_until
SELECT spelled_until FROM ledgers WHERE id = :ledger;

-- name: record_claim
INSERT INTO claims (ledger, observable, seq, stands, last_seq, checksum)
VALUES (:ledger, :observable, :seq, :stands, :last_seq, :checksum)
ON CONFLICT (ledger, observable, seq) DO UPDATE
SET stands = excluded.stands, last_seq = excluded.last_seq, checksum = excluded.checksum;

-- name: claims_after
SELECT observable, seq, last_seq
FROM claims
WHERE ledger = :ledger AND (observable, seq) > (:observable, :seq)
ORDER BY observable, seq
LIMIT :limit;

-- name: delete_claim
DELETE FROM claims WHERE ledger = :ledger AND observable = :observable AND seq = :seq;

-- name: delete_claims
DELETE FROM claims WHERE ledger = :ledger;

-- name: looked_through
SELECT looked_through FROM ledgers WHERE id = :ledger;

-- name: look_through
UPDATE ledgers SET looked_through = :day WHERE id = :ledger;

-- name: last_before_day
SELECT seq FROM days WHERE day < :day ORDER BY day DESC LIMIT 1;

-- name: newest_raised
SELECT max(newest) FROM sources;

-- name: mark_all_unsent
UPDATE versions SET sent = 0 WHERE ledger = :ledger AND sent <> 0;

-- name: enlist
UPDATE routes SET receiver = :receiver, reads_all = :reads_all WHERE id = :route;

-- name: add_position
INSERT INTO positions (route, source, seq, checksum) VALUES (:route, :source, :seq, :checksum)
ON CONFLICT (route, source) DO NOTHING;

-- name: set_position
INSERT INTO positions (route, source, seq, checksum) VALUES (:route, :source, :seq, :checksum)
ON CONFLICT (route, source) DO UPDATE SET seq = excluded.seq, checksum = excluded.checksum;

-- name: set_checkpoint
UPDATE sources SET checkpoint = :checkpoint, checkpoint_checksum = :checksum WHERE id = :id;

-- name: store_damage
INSERT INTO damage (name, reason, at) VALUES (:name, :reason, :at)
ON CONFLICT (name) DO UPDATE SET reason = excluded.reason, at = excluded.at;

-- name: damage
SELECT reason, at FROM damage WHERE name = :name;

-- name: delete_damage
DELETE FROM damage WHERE name = :name;

-- name: readers
SELECT routes.id
FROM routes
WHERE reads_all <> 0 OR EXISTS (SELECT 1 FROM positions WHERE positions.route = routes.id AND positions.source = :source);

-- name: routes
-- Not the row that a source has for its own dead letters.
SELECT id, name, receiver FROM routes WHERE name NOT IN (SELECT name FROM sources) ORDER BY name;

-- name: sources_of_route
SELECT sources.id, sources.name
FROM routes
JOIN sources ON reads_all <> 0
    OR EXISTS (SELECT 1 FROM positions WHERE positions.route = routes.id AND positions.source = sources.id)
WHERE routes.id = :route
ORDER BY sources.name;

-- name: ledgers_of_route
SELECT id, receiver FROM ledgers WHERE route = :route ORDER BY receiver;

-- name: position
SELECT route, source, seq, checksum FROM positions WHERE route = :route AND source = :source;

-- name: count_notifications
UPDATE routes
SET delivered = delivered + :delivered,
    filtered = filtered + :filtered,
    refused = refused + :refused,
    withdrawn = withdrawn + :withdrawn
WHERE id = :route;

-- name: dead_letters_between
SELECT id, seq, object_id
FROM dead_letters
WHERE route = :route
    AND seq > :after
    AND seq <= :until
    AND (SELECT source FROM notifications WHERE notifications.seq = dead_letters.seq) = :source;

-- name: delete_dead_letter
DELETE FROM dead_letters WHERE id = :id;

-- name: store_report
INSERT INTO reports (name, report, at) VALUES (:name, :report, :at)
ON CONFLICT (name) DO UPDATE SET report = excluded.report, at = excluded.at;

-- name: report
SELECT report FROM reports WHERE name = :name;

-- name: sources
SELECT id, name, checkpoint, stored, kept, newest, pruned_until, checkpoint_checksum FROM sources ORDER BY name;

-- name: gaps
SELECT start, "end" FROM gaps WHERE source = :source ORDER BY start, "end";

-- name: route
SELECT id, delivered, filtered, refused, dropped, withdrawn FROM routes WHERE name = :route;

-- name: backlog
SELECT count(*) FROM notifications WHERE source = :source AND seq > :position;

-- name: oldest_pending
SELECT date FROM notifications WHERE source = :source AND seq > :position ORDER BY seq LIMIT 1;

-- name: count_dead_letters
SELECT count(*) FROM dead_letters WHERE route = :route;

-- name: prunable
SELECT seq, raised
FROM notifications
WHERE source = :source
    AND (raised, seq) > (:after_raised, :after_seq)
    AND raised < :before
    AND seq <= :dealt_with
    AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE dead_letters.seq = notifications.seq)
ORDER BY raised, seq
LIMIT :limit;

-- name: old_ids
SELECT raised, notification_id,
    EXISTS (
        SELECT 1 FROM notifications
        WHERE notifications.source = seen.source AND notifications.notification_id = seen.notification_id
    )
FROM seen
WHERE source = :source AND (raised, notification_id) > (:after_raised, :after_id) AND raised < :before
ORDER BY raised, notification_id
LIMIT :limit;

-- name: delete_id
DELETE FROM seen WHERE source = :source AND notification_id = :notification_id;

-- name: delete_versions
DELETE FROM versions WHERE ledger = :ledger;

-- name: delete_ledger
DELETE FROM ledgers WHERE id = :ledger;

-- name: delete_reading
DELETE FROM positions WHERE route = :route AND source = :source;

-- name: delete_dead_letters_of_reading
DELETE FROM dead_letters
WHERE route = :route
    AND (SELECT source FROM notifications WHERE notifications.seq = dead_letters.seq) = :source;

-- name: delete_outdated_of_reading
DELETE FROM outdated WHERE route = :route
    AND (SELECT source FROM subjects WHERE subjects.id = outdated.subject) = :source;

-- name: delete_dead_letters
DELETE FROM dead_letters WHERE route = :route;

-- name: delete_route
DELETE FROM routes WHERE id = :route;

-- name: delete_report
DELETE FROM reports WHERE name = :name;

-- name: delete_positions_in_source
DELETE FROM positions WHERE source = :source;

-- name: delete_gaps
DELETE FROM gaps WHERE source = :source;

-- name: delete_source
DELETE FROM sources WHERE id = :source;

-- name: delete_dead_letters_of_notification
DELETE FROM dead_letters WHERE seq = :seq;

-- name: some_notifications
SELECT seq FROM notifications WHERE source = :source LIMIT :limit;

-- name: delete_seen_of_source
DELETE FROM seen
WHERE source = :source
    AND notification_id IN (SELECT notification_id FROM seen WHERE source = :source LIMIT :limit);

-- name: move_checkpoint
UPDATE sources
SET checkpoint = :checkpoint,
    checkpoint_checksum = :checksum,
    stored = stored + :new,
    kept = kept + :new,
    newest = CASE WHEN newest >= :newest THEN newest ELSE coalesce(:newest, newest) END
WHERE id = :id;

-- name: reach_day
INSERT INTO days (day, seq) VALUES (:day, :seq) ON CONFLICT (day) DO UPDATE
SET seq = CASE WHEN excluded.seq > days.seq THEN excluded.seq ELSE days.seq END;

-- name: numbered_entries
SELECT notifications.seq, sources.name, notification_id, date, checksum, dictionary, body
FROM (SELECT DISTINCT CAST(value AS bigint) AS seq FROM json_each(:seqs)) AS wanted
CROSS JOIN notifications
CROSS JOIN sources
WHERE notifications.seq = wanted.seq AND sources.id = notifications.source
ORDER BY notifications.seq;

-- name: versions
SELECT unpacked_id(object_id), seq, digest, coalesce(created, modified), modified, sent, last_seq,
    coalesce(valid_until, ''), revoked, checksum
FROM versions
WHERE ledger = :ledger AND object_id IN (SELECT packed_id(CAST(value AS text)) FROM json_each(:object_ids))
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
SET sent = CASE excluded.sent WHEN 1 THEN 1 ELSE versions.sent END,
    last_seq = CASE WHEN excluded.last_seq > versions.last_seq THEN excluded.last_seq ELSE versions.last_seq END
WHERE coalesce(versions.created, '') = coalesce(excluded.created, '')
    AND versions.seq = excluded.seq
    AND versions.digest = excluded.digest
    AND coalesce(versions.valid_until, '') = coalesce(excluded.valid_until, '')
    AND versions.revoked = excluded.revoked;

-- name: claims
SELECT observable, seq, stands, last_seq, checksum
FROM claims
WHERE ledger = :ledger AND observable IN (SELECT CAST(value AS bigint) FROM json_each(:observables))
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
SELECT unpacked_id(object_id), modified,
    CASE WHEN revoked = 0 THEN CASE WHEN seq > last_seq THEN seq ELSE last_seq END END, object_id
FROM versions
WHERE ledger = :ledger AND (object_id, modified) > (:object_id, :modified)
ORDER BY object_id, modified
LIMIT :limit;

-- name: dead_letters_of
SELECT id, seq, object_id
FROM dead_letters
WHERE route = :route AND seq IN (SELECT CAST(value AS bigint) FROM json_each(:seqs));

-- name: set_aside
SELECT seq
FROM dead_letters
WHERE route = (SELECT id FROM routes WHERE name = :route)
    AND by = 'person'
    AND seq IN (SELECT CAST(value AS bigint) FROM json_each(:seqs));

-- name: ask_retry
UPDATE dead_letters SET retry_asked = 1 WHERE id IN (SELECT CAST(value AS bigint) FROM json_each(:ids));

-- name: ask_retry_of
UPDATE dead_letters SET retry_asked = 1
WHERE route = (SELECT id FROM routes WHERE name = :route)
    AND refused_at <= :refused_until
    AND substr(reason, 1, length(:reason)) = :reason;

-- name: to_retry
SELECT DISTINCT dead_letters.seq
FROM routes
CROSS JOIN dead_letters
WHERE dead_letters.route = routes.id AND retry_asked = 1 AND routes.name = :route
ORDER BY dead_letters.seq
LIMIT :limit;

-- name: routes_to_retry
SELECT name FROM routes WHERE EXISTS (SELECT 1 FROM dead_letters WHERE route = routes.id AND retry_asked = 1);

-- name: dead_letters
-- CROSS JOIN keeps the order of the tables, and with it that of the index.
SELECT dead_letters.id, routes.name, sources.name, date, refused_at,
    dead_letters.seq, by, reason, object_id, document, notification_id
FROM dead_letters
CROSS JOIN routes
CROSS JOIN notifications
CROSS JOIN sources
WHERE routes.id = dead_letters.route
    AND notifications.seq = dead_letters.seq
    AND sources.id = notifications.source
    AND (dead_letters.seq, dead_letters.id) > (:after_seq, :after_id)
    AND (CAST(:route AS text) IS NULL OR routes.name = :route)
ORDER BY dead_letters.seq, dead_letters.id
LIMIT :limit;

-- name: numbered_dead_letters
SELECT dead_letters.id, routes.name, sources.name, date, refused_at,
    dead_letters.seq, by, reason, object_id, document, notification_id
FROM (SELECT DISTINCT CAST(value AS bigint) AS id FROM json_each(:ids)) AS wanted
CROSS JOIN dead_letters
CROSS JOIN routes
CROSS JOIN notifications
CROSS JOIN sources
WHERE dead_letters.id = wanted.id
    AND routes.id = dead_letters.route
    AND notifications.seq = dead_letters.seq
    AND sources.id = notifications.source
ORDER BY dead_letters.seq, dead_letters.id;

-- name: count_dropped
UPDATE routes
SET dropped = dropped + (
    SELECT count(*)
    FROM dead_letters
    WHERE dead_letters.route = routes.id AND dead_letters.id IN (SELECT CAST(value AS bigint) FROM json_each(:ids))
);

-- name: count_other_dead_letters
SELECT name, count(*)
FROM routes
JOIN dead_letters ON dead_letters.route = routes.id
WHERE name NOT IN (SELECT CAST(value AS text) FROM json_each(:routes))
GROUP BY name;

-- name: count_pruned
UPDATE sources
SET kept = kept - :pruned,
    pruned_until = CASE WHEN pruned_until >= :until THEN pruned_until ELSE coalesce(:until, pruned_until) END
WHERE id = :id;
