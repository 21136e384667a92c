-- What every SQL store is asked, each under a name; the tables are in the store's migrations/.

-- name: checkpoint
SELECT id, checkpoint, checkpoint_checksum FROM sources WHERE name = :source;

-- name: add_source
INSERT INTO sources (name) VALUES (:source) ON CONFLICT (name) DO NOTHING;

-- name: source_id
SELECT id FROM sources WHERE name = :source;

-- name: add_seen
INSERT INTO seen (source, notification_id, raised) VALUES (:source, :notification_id, :raised) ON CONFLICT DO NOTHING;

-- name: add_notification
INSERT INTO notifications (
    source, notification_id, date, raised, checksum, dictionary, body, observable, rule
)
VALUES (:source, :notification_id, :date, :raised, :checksum, :dictionary, :body, :observable, :rule);

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
SELECT min(seq)
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
INSERT INTO ledgers (route, receiver) VALUES (:route, :receiver);

-- name: adopt_ledger
UPDATE ledgers SET receiver = :receiver WHERE id = :ledger;

-- name: unclaimed_until
SELECT unclaimed_until FROM ledgers WHERE id = :ledger;

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
WHERE reads_all OR EXISTS (SELECT 1 FROM positions WHERE positions.route = routes.id AND positions.source = :source);

-- name: routes
-- Not the row that a source has for its own dead letters.
SELECT id, name, receiver FROM routes WHERE name NOT IN (SELECT name FROM sources) ORDER BY name;

-- name: sources_of_route
SELECT sources.id, sources.name
FROM routes
JOIN sources ON reads_all
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

-- name: store_dead_letter
INSERT INTO dead_letters (route, seq, object_id, by, reason, document, refused_at)
VALUES (:route, :seq, :object_id, :by, :reason, :document, :refused_at)
ON CONFLICT (route, seq, object_id) DO UPDATE
SET by = excluded.by, reason = excluded.reason, document = excluded.document, refused_at = excluded.refused_at,
    retry_asked = 0;

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

-- name: delete_notification
DELETE FROM notifications WHERE seq = :seq;

-- name: delete_versions
DELETE FROM versions WHERE ledger = :ledger;

-- name: delete_ledger
DELETE FROM ledgers WHERE id = :ledger;

-- name: delete_reading
DELETE FROM positions WHERE route = :route AND source = :source;

-- name: delete_dead_letters_of_reading
DELETE FROM dead_letters
WHERE route = :route AND seq IN (SELECT seq FROM notifications WHERE notifications.source = :source);

-- name: delete_outdated_of_reading
DELETE FROM outdated WHERE route = :route AND subject IN (SELECT id FROM subjects WHERE subjects.source = :source);

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
