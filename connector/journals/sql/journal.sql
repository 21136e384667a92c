-- What every SQL store is asked, each under a name; the tables are in the store's migrations/.

-- name: checkpoint
SELECT checkpoint FROM sources WHERE name = :source;

-- name: add_source
INSERT INTO sources (name) VALUES (:source) ON CONFLICT (name) DO NOTHING;

-- name: source_id
SELECT id FROM sources WHERE name = :source;

-- name: add_seen
INSERT INTO seen (source, notification_id) VALUES (:source, :notification_id) ON CONFLICT DO NOTHING;

-- name: add_notification
INSERT INTO notifications (source, notification_id, date, raised, body)
VALUES (:source, :notification_id, :date, :raised, :body);

-- name: add_gap
INSERT INTO gaps (source, start, "end") VALUES (:source, :start, :end) ON CONFLICT DO NOTHING;

-- name: entries_after
-- One source at a time, because only then does the index give the order; the caller merges.
SELECT seq, :source, notification_id, date, body
FROM notifications
WHERE source = (SELECT id FROM sources WHERE name = :source) AND seq > :after
ORDER BY seq
LIMIT :limit;

-- name: latest_entries
SELECT seq, :source, notification_id, date, body
FROM notifications
WHERE source = (SELECT id FROM sources WHERE name = :source) AND seq < :before
ORDER BY seq DESC
LIMIT :limit;

-- name: named_position
SELECT positions.seq
FROM positions
JOIN routes ON routes.id = positions.route
JOIN sources ON sources.id = positions.source
WHERE routes.name = :route AND sources.name = :source;

-- name: find_entry
SELECT seq, :source, notification_id, date, body
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

-- name: mark_unsent
UPDATE versions SET sent = 0 WHERE route = :route AND object_id = :object_id AND modified = :modified;

-- name: position
SELECT seq FROM positions WHERE route = :route AND source = :source;

-- name: count_notifications
UPDATE routes
SET delivered = delivered + :delivered,
    filtered = filtered + :filtered,
    refused = refused + :refused
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
SELECT id, name, checkpoint, stored, kept, newest, pruned_until FROM sources ORDER BY name;

-- name: gaps
SELECT start, "end" FROM gaps WHERE source = :source ORDER BY start, "end";

-- name: route
SELECT id, delivered, filtered, refused, dropped FROM routes WHERE name = :route;

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

-- name: delete_notification
DELETE FROM notifications WHERE seq = :seq;
