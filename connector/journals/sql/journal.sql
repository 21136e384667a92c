-- What SqliteJournal asks of its tables (migrations/), each under a name.

-- name: checkpoint
SELECT checkpoint FROM sources WHERE name = :source;

-- name: know_source
INSERT INTO sources (name) VALUES (:source) ON CONFLICT (name) DO NOTHING;

-- name: source_id
SELECT id FROM sources WHERE name = :source;

-- name: remember
INSERT INTO seen (source, notification_id) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: store
INSERT INTO notifications (source, notification_id, date, raised, body) VALUES (?, ?, ?, ?, ?);

-- name: move_checkpoint
-- max() of two arguments is null when either is.
UPDATE sources
SET checkpoint = :checkpoint,
    stored = stored + :new,
    kept = kept + :new,
    newest = coalesce(max(newest, :newest), newest, :newest)
WHERE id = :id;

-- name: store_gap
INSERT INTO gaps (source, start, "end") VALUES (:source, :start, :end) ON CONFLICT DO NOTHING;

-- name: history
-- One source at a time, because only then does the index give the order; the caller merges.
SELECT seq, :source, notification_id, date, body
FROM notifications
WHERE source = (SELECT id FROM sources WHERE name = :source) AND seq > :after
ORDER BY seq
LIMIT :limit;

-- name: latest
SELECT seq, :source, notification_id, date, body
FROM notifications
WHERE source = (SELECT id FROM sources WHERE name = :source) AND seq < :before
ORDER BY seq DESC
LIMIT :limit;

-- name: stands_at
SELECT positions.seq
FROM positions
JOIN routes ON routes.id = positions.route
JOIN sources ON sources.id = positions.source
WHERE routes.name = :route AND sources.name = :source;

-- name: entries
SELECT notifications.seq, sources.name, notification_id, date, body
FROM notifications
JOIN sources ON sources.id = notifications.source
WHERE notifications.seq IN (SELECT value FROM json_each(:seqs))
ORDER BY notifications.seq;

-- name: find
SELECT seq, :source, notification_id, date, body
FROM notifications
WHERE source = (SELECT id FROM sources WHERE name = :source) AND notification_id = :notification_id;

-- name: first_since
SELECT min(seq)
FROM notifications
WHERE source = (SELECT id FROM sources WHERE name = :source) AND raised >= :since;

-- name: versions
SELECT object_id, seq, digest, created, modified, sent, last_seq
FROM versions
WHERE route = (SELECT id FROM routes WHERE name = :route)
    AND object_id IN (SELECT value FROM json_each(:object_ids))
ORDER BY seq, modified;

-- name: know_route
INSERT INTO routes (name) VALUES (:route) ON CONFLICT (name) DO NOTHING;

-- name: route_id
SELECT id FROM routes WHERE name = :route;

-- name: record_version
-- The same version again (a repeat after a failed commit) counts as a row changed; another content does not.
INSERT INTO versions (route, object_id, modified, created, seq, digest, sent, last_seq)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (route, object_id, modified) DO UPDATE
SET sent = max(sent, excluded.sent), last_seq = max(last_seq, excluded.last_seq)
WHERE created = excluded.created AND digest = excluded.digest;

-- name: mark_unsent
UPDATE versions SET sent = 0 WHERE route = ? AND object_id = ? AND modified = ?;

-- name: position
SELECT seq FROM positions WHERE route = :route AND source = :source;

-- name: move_position
INSERT INTO positions (route, source, seq) VALUES (:route, :source, :position)
ON CONFLICT (route, source) DO UPDATE SET seq = max(seq, excluded.seq);

-- name: rewind
UPDATE positions SET seq = min(seq, :position) WHERE route = :route AND source = :source;

-- name: count_notifications
UPDATE routes
SET delivered = delivered + :delivered,
    filtered = filtered + :filtered,
    refused = refused + :refused
WHERE id = :route;

-- name: store_dead_letter
INSERT INTO dead_letters (route, seq, object_id, by, reason, document, refused_at) VALUES (?, ?, ?, ?, ?, ?, ?)
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

-- name: dead_letters_of
SELECT id, seq, object_id
FROM dead_letters
WHERE route = :route AND seq IN (SELECT value FROM json_each(:seqs));

-- name: ask_retry
UPDATE dead_letters SET retry_asked = 1 WHERE id IN (SELECT value FROM json_each(:ids));

-- name: to_retry
SELECT DISTINCT dead_letters.seq
FROM routes
CROSS JOIN dead_letters ON dead_letters.route = routes.id AND retry_asked = 1
WHERE routes.name = :route
ORDER BY dead_letters.seq
LIMIT :limit;

-- name: clear_dead_letter
DELETE FROM dead_letters WHERE id = :id;

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

-- name: other_dead_letters
SELECT name, count(*)
FROM routes
JOIN dead_letters ON dead_letters.route = routes.id
WHERE name NOT IN (SELECT value FROM json_each(:routes))
GROUP BY name;

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

-- name: prune
DELETE FROM notifications WHERE seq = :seq;

-- name: count_pruned
UPDATE sources
SET kept = kept - :pruned, pruned_until = coalesce(max(pruned_until, :until), pruned_until, :until)
WHERE id = :id;

-- name: lease
SELECT holder, host, realm, pid, process_started, since, expires FROM leases WHERE name = :name;

-- name: take_lease
INSERT INTO leases (name, holder, host, realm, pid, process_started, since, expires)
VALUES (:name, :holder, :host, :realm, :pid, :process_started, :since, :expires)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder,
    host = excluded.host,
    realm = excluded.realm,
    pid = excluded.pid,
    process_started = excluded.process_started,
    since = excluded.since,
    expires = excluded.expires;

-- name: renew_lease
UPDATE leases SET expires = :expires WHERE name = :name AND holder = :holder;

-- name: offer_lease
UPDATE leases SET expires = 0 WHERE name = :name AND holder = :holder;

-- name: release_lease
DELETE FROM leases WHERE name = :name AND holder = :holder;

-- name: know_subject
INSERT INTO subjects (source, type, subject_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING;

-- name: mention
INSERT INTO mentions (subject, seq)
SELECT id, ?2 FROM subjects WHERE source = ?1 AND type = ?3 AND subject_id = ?4;

-- name: learned
SELECT coalesce(max(learned), 0) FROM sources;

-- name: mentioned
SELECT seq, subject FROM mentions WHERE seq IN (SELECT value FROM json_each(:seqs));

-- name: known_of
SELECT id, type, subject_id, attributes
FROM subjects
WHERE id IN (SELECT value FROM json_each(:ids)) AND attributes IS NOT NULL;

-- name: subject
SELECT id, digest FROM subjects WHERE source = :source AND type = :type AND subject_id = :subject_id;

-- name: due
SELECT type, subject_id
FROM subjects
WHERE source = (SELECT id FROM sources WHERE name = :source) AND due <= :now
ORDER BY due, id DESC
LIMIT :limit;

-- name: postpone
UPDATE subjects SET asked_at = :asked_at, due = :due WHERE id = :id;

-- name: answer
UPDATE subjects SET state = :state, asked_at = :asked_at, due = :due WHERE id = :id;

-- name: store_attributes
UPDATE subjects SET attributes = :attributes, digest = :digest, report = :report WHERE id = :id;

-- name: count_learned
UPDATE sources SET learned = :learned WHERE id = :source;

-- name: mark_learned
UPDATE subjects SET learned = :learned WHERE id = :id;

-- name: outdate
-- All that routes have passed; what they have read and not passed yet is for `outdate_passed`.
INSERT INTO outdated (route, subject, after, until, learned)
SELECT positions.route, :subject, 0, positions.seq, :learned
FROM positions
JOIN routes ON routes.id = positions.route
WHERE positions.source = :source
    AND routes.revises
    AND EXISTS (SELECT 1 FROM mentions WHERE mentions.subject = :subject AND mentions.seq <= positions.seq)
ON CONFLICT (route, subject) DO UPDATE
SET after = excluded.after, until = max(until, excluded.until), learned = excluded.learned;

-- name: outdate_passed
INSERT INTO outdated (route, subject, after, until, learned)
SELECT :route, id, :after, :until, learned
FROM subjects
WHERE source = :source
    AND learned > :learned
    AND EXISTS (SELECT 1 FROM mentions WHERE mentions.subject = id AND seq > :after AND seq <= :until)
ON CONFLICT (route, subject) DO UPDATE
SET after = min(after, excluded.after), until = max(until, excluded.until), learned = excluded.learned;

-- name: revises
UPDATE routes SET revises = :revises WHERE id = :route AND revises <> :revises;

-- name: outdated
-- CROSS JOIN keeps the order of the tables, and with it that of the indexes.
SELECT outdated.subject, mentions.seq
FROM routes
CROSS JOIN outdated ON outdated.route = routes.id
CROSS JOIN subjects ON subjects.id = outdated.subject
CROSS JOIN positions ON positions.route = outdated.route AND positions.source = subjects.source
CROSS JOIN mentions
    ON mentions.subject = outdated.subject
    AND mentions.seq > outdated.after
    AND mentions.seq <= min(outdated.until, positions.seq)
WHERE routes.name = :route
    AND subjects.source IN (SELECT id FROM sources WHERE name IN (SELECT value FROM json_each(:sources)))
ORDER BY outdated.subject, mentions.seq
LIMIT :limit;

-- name: count_outdated
SELECT count(*)
FROM outdated
CROSS JOIN subjects ON subjects.id = outdated.subject
CROSS JOIN positions ON positions.route = outdated.route AND positions.source = subjects.source
CROSS JOIN mentions
    ON mentions.subject = outdated.subject
    AND mentions.seq > outdated.after
    AND mentions.seq <= min(outdated.until, positions.seq)
WHERE outdated.route = :route;

-- name: move_outdated
UPDATE outdated
SET after = max(after, :reached)
WHERE route = :route AND subject = :subject AND learned <= :learned;

-- name: forget_outdated
DELETE FROM outdated
WHERE route = :route
    AND subject = :subject
    AND NOT EXISTS (
        SELECT 1
        FROM mentions
        WHERE mentions.subject = outdated.subject
            AND mentions.seq > outdated.after
            AND mentions.seq <= outdated.until
    );

-- name: forget_all_outdated
DELETE FROM outdated WHERE route = :route;

-- name: forget_subjects
DELETE FROM subjects
WHERE source = :source AND NOT EXISTS (SELECT 1 FROM mentions WHERE mentions.subject = subjects.id);

-- name: look_ups
SELECT coalesce(sum(state = 'known'), 0), coalesce(sum(state = 'absent'), 0), coalesce(sum(state = 'forbidden'), 0),
    coalesce(sum(due <= :now), 0), coalesce(sum(asked_at >= :midnight), 0)
FROM subjects
WHERE source = :source;

-- name: look_up_reports
SELECT type, subject_id, report FROM subjects WHERE source = :source AND report IS NOT NULL ORDER BY type, subject_id;
