-- As sql/journal.sql, in words of PostgreSQL's own.

-- name: store_dead_letter
INSERT INTO dead_letters (route, seq, object_id, by, reason, document, refused_at)
VALUES (:route, :seq, :object_id, :by, :reason, :document, :refused_at)
ON CONFLICT (route, seq, hashtextextended(object_id, 0)) DO UPDATE
SET by = excluded.by, reason = excluded.reason, document = excluded.document, refused_at = excluded.refused_at,
    retry_asked = 0;

-- name: delete_notification
-- With what hangs on it.
WITH unmentioned AS (
    DELETE FROM mentions WHERE seq = :seq
),
let_through AS (
    DELETE FROM withheld WHERE seq = :seq
),
unguarded AS (
    DELETE FROM guarded WHERE seq = :seq
)
DELETE FROM notifications WHERE seq = :seq;
