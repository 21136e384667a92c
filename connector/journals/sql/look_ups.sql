-- As journal.sql, of what notifications name.

-- name: add_subject
INSERT INTO subjects (source, type, subject_id) VALUES (:source, :type, :subject_id) ON CONFLICT DO NOTHING;

-- name: add_mention
INSERT INTO mentions (subject, seq)
SELECT id, :seq FROM subjects WHERE source = :source AND type = :type AND subject_id = :subject_id
ON CONFLICT DO NOTHING;

-- name: add_entity
-- One that is due at once stays so.
INSERT INTO subjects (source, type, subject_id, rank, due, named_at, digest)
VALUES (:source, :type, :subject_id, :rank, :due, :now, :digest)
ON CONFLICT (source, type, subject_id) DO UPDATE
SET rank = CASE WHEN subjects.due = 0 THEN subjects.rank ELSE excluded.rank END,
    due = CASE WHEN subjects.due = 0 THEN 0 ELSE excluded.due END,
    named_at = excluded.named_at,
    digest = coalesce(excluded.digest, subjects.digest);

-- name: add_follower
INSERT INTO subjects (source, type, subject_id, rank, due, named_at)
VALUES (:source, :type, :subject_id, :rank, :due, :now)
ON CONFLICT DO NOTHING;

-- name: share_mentions
-- What entries of one subject are about, they are of another, too.
INSERT INTO mentions (subject, seq)
SELECT subjects.id, mentions.seq
FROM subjects
CROSS JOIN mentions
WHERE mentions.subject = :of
    AND subjects.source = :source
    AND subjects.type = :type
    AND subjects.subject_id = :subject_id
ON CONFLICT DO NOTHING;

-- name: note_look_up
INSERT INTO look_ups (source, asked_at) VALUES (:source, :asked_at);

-- name: forget_look_ups
DELETE FROM look_ups WHERE source = :source AND asked_at < :before;

-- name: learned_so_far
SELECT coalesce(max(learned), 0) FROM sources;

-- name: subject
SELECT id, digest, named_at FROM subjects WHERE source = :source AND type = :type AND subject_id = :subject_id;

-- name: due_subjects
SELECT type, subject_id
FROM subjects
WHERE source = (SELECT id FROM sources WHERE name = :source) AND rank = 0 AND due <= :now
ORDER BY due, id DESC
LIMIT :limit;

-- name: due_entities
SELECT type, subject_id
FROM subjects
WHERE source = (SELECT id FROM sources WHERE name = :source) AND rank = 1 AND due <= :now
ORDER BY due DESC, id DESC
LIMIT :limit;

-- name: asked_since
SELECT count(*)
FROM look_ups
WHERE source = (SELECT id FROM sources WHERE name = :source) AND asked_at >= :since;

-- name: postpone_look_up
UPDATE subjects SET asked_at = :asked_at, due = :due WHERE id = :id;

-- name: store_answer
UPDATE subjects SET state = :state, asked_at = :asked_at, due = :due WHERE id = :id;

-- name: store_attributes
UPDATE subjects
SET attributes = :attributes, dictionary = :dictionary, checksum = :checksum, digest = :digest, report = :report
WHERE id = :id;

-- name: reach_entries
-- Up to which entry what is known of an entity is newer than what the entry says.
UPDATE subjects
SET rank = 1, until = (SELECT coalesce(max(seq), 0) FROM mentions WHERE mentions.subject = subjects.id)
WHERE id = :id;

-- name: count_learned
UPDATE sources SET learned = :learned WHERE id = :source;

-- name: mark_learned
UPDATE subjects SET learned = :learned WHERE id = :id;

-- name: retry_what_lacked
-- Without its URL, a notification may have been refused, also by a route of events, which are never outdated.
UPDATE dead_letters SET retry_asked = 1
WHERE by <> 'sink' AND seq IN (SELECT seq FROM mentions WHERE subject = :subject);

-- name: set_revises
-- `revises`: whether something can be sent of what is learned later: new versions, or what takes back what was sent.
UPDATE routes SET revises = :revises WHERE id = :route AND revises <> :revises;

-- name: delete_outdated
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

-- name: delete_all_outdated
-- But for what was judged, which is the matter of every route.
DELETE FROM outdated
WHERE route = :route
    AND (SELECT type FROM subjects WHERE subjects.id = outdated.subject)
        NOT IN ('judged_notification', 'judged_observable', 'judged_rule');

-- name: delete_unnamed_subjects
DELETE FROM subjects
WHERE source = :source AND NOT EXISTS (SELECT 1 FROM mentions WHERE mentions.subject = subjects.id);

-- name: look_up_reports
SELECT type, subject_id, report FROM subjects WHERE source = :source AND report IS NOT NULL ORDER BY type, subject_id;

-- name: add_named_host
-- `due`: it is never looked up.
INSERT INTO subjects (source, type, subject_id, due) VALUES (:source, :type, :subject_id, :due) ON CONFLICT DO NOTHING;

-- name: note_said
UPDATE subjects SET digest = :digest WHERE id = :id AND (digest IS NULL OR digest <> :digest);

-- name: hosts_unread
SELECT until FROM hosts_unread;

-- name: notifications_before
SELECT source, seq, '', notification_id, date, checksum, dictionary, body
FROM notifications
WHERE seq <= :until
ORDER BY seq DESC
LIMIT :limit;

-- name: hosts_are_read_from
UPDATE hosts_unread SET until = :until;

-- name: hosts_are_read
DELETE FROM hosts_unread;

-- name: looked_up_files
SELECT id, source, attributes, dictionary, checksum
FROM subjects
WHERE id > :after AND type = 'file' AND attributes IS NOT NULL
ORDER BY id
LIMIT :limit;

-- name: entries_of_host
SELECT mentions.seq, notifications.notification_id
FROM mentions
JOIN notifications ON notifications.seq = mentions.seq
WHERE mentions.subject = :subject AND mentions.seq > :after
ORDER BY mentions.seq
LIMIT :limit;

-- name: unmarked_entries_of_host
-- Those that do not name what is judged, yet.
SELECT mentions.seq, notifications.notification_id
FROM mentions
JOIN notifications ON notifications.seq = mentions.seq
WHERE mentions.subject = :subject
    AND NOT EXISTS (
        SELECT 1
        FROM subjects
        JOIN mentions AS marked ON marked.subject = subjects.id AND marked.seq = mentions.seq
        WHERE subjects.source = :source AND subjects.type = :type AND subjects.subject_id = :subject_id
    );

-- name: mentions_in
SELECT seq, subject FROM mentions WHERE seq IN (SELECT CAST(value AS bigint) FROM json_each(:seqs));

-- name: known_subjects
SELECT id, type, subject_id, attributes, dictionary, checksum, until
FROM subjects
WHERE id IN (SELECT CAST(value AS bigint) FROM json_each(:ids)) AND attributes IS NOT NULL;

-- name: outdate_delivered
-- Of what routes have passed already; what they have read and pass later is for `outdate_read`.
INSERT INTO outdated (route, subject, after, until, learned)
SELECT positions.route, :subject, 0, positions.seq, :learned
FROM positions
JOIN routes ON routes.id = positions.route
WHERE positions.source = :source
    AND (routes.revises <> 0 OR :always <> 0)
    AND EXISTS (SELECT 1 FROM mentions WHERE mentions.subject = :subject AND mentions.seq <= positions.seq)
ON CONFLICT (route, subject) DO UPDATE
SET after = excluded.after,
    until = CASE WHEN excluded.until > outdated.until THEN excluded.until ELSE outdated.until END,
    learned = excluded.learned;

-- name: outdate_read
-- Of what a route passes just now: the entries after `after`, up to `until`.
INSERT INTO outdated (route, subject, after, until, learned)
SELECT :route, id, :after, :until, learned
FROM subjects
WHERE source = :source
    AND learned > :learned
    AND (:revises <> 0 OR type IN ('judged_notification', 'judged_observable', 'judged_rule'))
    AND EXISTS (SELECT 1 FROM mentions WHERE mentions.subject = id AND seq > :after AND seq <= :until)
ON CONFLICT (route, subject) DO UPDATE
SET after = CASE WHEN excluded.after < outdated.after THEN excluded.after ELSE outdated.after END,
    until = CASE WHEN excluded.until > outdated.until THEN excluded.until ELSE outdated.until END,
    learned = excluded.learned;

-- name: has_learned
SELECT 1
FROM sources
CROSS JOIN subjects
WHERE subjects.source = sources.id
    AND subjects.learned > :learned
    AND sources.name IN (SELECT CAST(value AS text) FROM json_each(:sources))
    AND EXISTS (SELECT 1 FROM mentions WHERE mentions.subject = subjects.id AND mentions.seq <= :until)
LIMIT 1;

-- name: changes
-- Of the assessment alone: what is learned of rulesets and actors is no change of that.
SELECT subjects.learned, mentions.seq, subjects.type LIKE 'judged%'
FROM (SELECT DISTINCT CAST(value AS text) AS name FROM json_each(:sources)) AS wanted
CROSS JOIN sources
CROSS JOIN subjects
CROSS JOIN mentions
WHERE sources.name = wanted.name
    AND subjects.source = sources.id
    AND subjects.learned >= :learned
    AND mentions.subject = subjects.id
    AND mentions.seq <= :until
    AND subjects.type IN (
        'file', 'url', 'domain', 'ip_address', 'judged_notification', 'judged_observable', 'judged_rule'
    )
    AND (subjects.learned > :learned OR mentions.seq > :seq)
ORDER BY subjects.learned, mentions.seq
LIMIT :limit;

-- name: outdated
-- CROSS JOIN keeps the order of the tables, and with it that of the indexes.
SELECT
    outdated.subject,
    mentions.seq,
    CASE subjects.type
        WHEN 'judged_notification' THEN 'notification'
        WHEN 'judged_observable' THEN 'observable'
        WHEN 'judged_rule' THEN 'rule'
    END
FROM routes
CROSS JOIN outdated
CROSS JOIN subjects
CROSS JOIN positions
CROSS JOIN mentions
WHERE outdated.route = routes.id
    AND subjects.id = outdated.subject
    AND positions.route = outdated.route
    AND positions.source = subjects.source
    AND mentions.subject = outdated.subject
    AND mentions.seq > outdated.after
    AND mentions.seq <= CASE WHEN outdated.until < positions.seq THEN outdated.until ELSE positions.seq END
    AND routes.name = :route
    AND subjects.source IN (SELECT id FROM sources WHERE name IN (SELECT CAST(value AS text) FROM json_each(:sources)))
ORDER BY outdated.subject, mentions.seq
LIMIT :limit;

-- name: count_outdated
SELECT count(*)
FROM outdated
CROSS JOIN subjects
CROSS JOIN positions
CROSS JOIN mentions
WHERE subjects.id = outdated.subject
    AND positions.route = outdated.route
    AND positions.source = subjects.source
    AND mentions.subject = outdated.subject
    AND mentions.seq > outdated.after
    AND mentions.seq <= CASE WHEN outdated.until < positions.seq THEN outdated.until ELSE positions.seq END
    AND outdated.route = :route;

-- name: move_outdated
UPDATE outdated
SET after = CASE WHEN after > :reached THEN after ELSE :reached END
WHERE route = :route AND subject = :subject AND learned <= :learned;

-- name: count_look_ups
SELECT
    count(*) FILTER (WHERE state = 'known'),
    count(*) FILTER (WHERE state = 'absent'),
    count(*) FILTER (WHERE state = 'forbidden'),
    count(*) FILTER (WHERE rank = 0 AND due <= :now),
    (SELECT count(*) FROM look_ups WHERE look_ups.source = :source AND look_ups.asked_at >= :midnight)
FROM subjects
WHERE source = :source;

-- name: known_files
SELECT subject_id, attributes, dictionary, checksum
FROM sources
CROSS JOIN subjects
WHERE subjects.source = sources.id AND subjects.type = 'file' AND attributes IS NOT NULL;

-- name: hosts_named_by
-- The numbers, in each of these sources, of the hosts that some entries name.
SELECT DISTINCT alike.id
FROM mentions
CROSS JOIN subjects
CROSS JOIN sources
CROSS JOIN subjects AS alike
WHERE mentions.seq IN (SELECT CAST(value AS bigint) FROM json_each(:seqs))
    AND subjects.id = mentions.subject
    AND subjects.type = 'named_host'
    AND sources.name IN (SELECT CAST(value AS text) FROM json_each(:sources))
    AND alike.source = sources.id
    AND alike.type = 'named_host'
    AND alike.subject_id = subjects.subject_id;

-- name: observable_of
SELECT observable FROM notifications WHERE seq = :seq;

-- name: newest_naming
-- Of each observable but one the newest entry that names a host, among so many of the newest. That one may have many.
SELECT max(seq)
FROM (
    SELECT seq, observable
    FROM (
        SELECT notifications.seq, notifications.observable
        FROM mentions
        CROSS JOIN notifications
        WHERE mentions.subject = :subject AND mentions.seq <= :until AND notifications.seq = mentions.seq
        ORDER BY mentions.seq DESC
        LIMIT :walked
    ) AS walked
    WHERE observable <> :about
    ORDER BY seq DESC
    LIMIT :most
) AS named
GROUP BY observable
ORDER BY max(seq) DESC
LIMIT :limit;

-- name: named_before
-- Among so many of the newest, the newest few for each host.
SELECT DISTINCT seq
FROM (
    SELECT former.seq, row_number() OVER (PARTITION BY subjects.subject_id ORDER BY former.seq DESC) AS place
    FROM (
        SELECT seq
        FROM notifications
        WHERE observable = (SELECT observable FROM notifications WHERE seq = :seq)
            AND observable <> 0
            AND seq < :seq
            AND source IN (SELECT id FROM sources WHERE name IN (SELECT CAST(value AS text) FROM json_each(:sources)))
        ORDER BY seq DESC
        LIMIT :former
    ) AS former
    CROSS JOIN mentions
    CROSS JOIN subjects
    WHERE mentions.seq = former.seq
        AND subjects.id = mentions.subject
        AND subjects.type = 'named_host'
        AND subjects.subject_id NOT IN (
            SELECT also.subject_id
            FROM mentions AS these
            CROSS JOIN subjects AS also
            WHERE also.id = these.subject AND also.type = 'named_host' AND these.seq = :seq
        )
) AS named
WHERE place <= :limit
ORDER BY seq DESC;
