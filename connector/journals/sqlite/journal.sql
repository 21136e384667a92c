-- As sql/journal.sql, where SQLite's indexes and constraints matter.

-- name: store_dead_letter
INSERT INTO dead_letters (route, seq, object_id, by, reason, document, refused_at)
VALUES (:route, :seq, :object_id, :by, :reason, :document, :refused_at)
ON CONFLICT (route, seq, object_id) DO UPDATE
SET by = excluded.by, reason = excluded.reason, document = excluded.document, refused_at = excluded.refused_at,
    retry_asked = 0;

-- name: delete_notification
DELETE FROM notifications WHERE seq = :seq;
