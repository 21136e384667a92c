-- As journal.sql, of what notifications name.

-- name: add_subject
INSERT INTO subjects (source, type, subject_id) VALUES (:source, :type, :subject_id) ON CONFLICT DO NOTHING;

-- name: add_mention
INSERT INTO mentions (subject, seq)
SELECT id, :seq FROM subjects WHERE source = :source AND type = :type AND subject_id = :subject_id;

-- name: learned_so_far
SELECT coalesce(max(learned), 0) FROM sources;

-- name: subject
SELECT id, digest FROM subjects WHERE source = :source AND type = :type AND subject_id = :subject_id;

-- name: due_subjects
SELECT type, subject_id
FROM subjects
WHERE source = (SELECT id FROM sources WHERE name = :source) AND due <= :now
ORDER BY due, id DESC
LIMIT :limit;

-- name: asked_since
SELECT count(*)
FROM subjects
WHERE source = (SELECT id FROM sources WHERE name = :source) AND asked_at >= :since;

-- name: postpone_look_up
UPDATE subjects SET asked_at = :asked_at, due = :due WHERE id = :id;

-- name: store_answer
UPDATE subjects SET state = :state, asked_at = :asked_at, due = :due WHERE id = :id;

-- name: store_attributes
UPDATE subjects SET attributes = :attributes, digest = :digest, report = :report WHERE id = :id;

-- name: count_learned
UPDATE sources SET learned = :learned WHERE id = :source;

-- name: mark_learned
UPDATE subjects SET learned = :learned WHERE id = :id;

-- name: retry_what_lacked
-- Without its URL, a notification may have been refused, also by a route of events, which are never outdated.
UPDATE dead_letters SET retry_asked = 1
WHERE by <> 'sink' AND seq IN (SELECT seq FROM mentions WHERE subject = :subject);

-- name: set_revises
-- `revises`: whether the documents of a route have versions, so that what is learned later is sent as new ones.
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
DELETE FROM outdated WHERE route = :route;

-- name: delete_unnamed_subjects
DELETE FROM subjects
WHERE source = :source AND NOT EXISTS (SELECT 1 FROM mentions WHERE mentions.subject = subjects.id);

-- name: look_up_reports
SELECT type, subject_id, report FROM subjects WHERE source = :source AND report IS NOT NULL ORDER BY type, subject_id;
