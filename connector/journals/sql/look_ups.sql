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
CROSS JOIN mentions ON mentions.subject = :of
WHERE subjects.source = :source AND subjects.type = :type AND subjects.subject_id = :subject_id
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
