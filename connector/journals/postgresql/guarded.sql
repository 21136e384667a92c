-- As sql/guarded.sql, in words of PostgreSQL's own.

-- name: guard
INSERT INTO guarded (route, seq, value, derived, list, entry)
VALUES (:route, :seq, :value, :derived, :list, :entry)
ON CONFLICT (route, seq, derived, hashtextextended(value, 0)) DO UPDATE
SET list = excluded.list, entry = excluded.entry;

-- name: guarded
SELECT routes.name, guarded.seq, sources.name, notifications.notification_id, notifications.raised,
    guarded.value, guarded.derived, guarded.list, guarded.entry
FROM guarded
JOIN routes ON routes.id = guarded.route
JOIN notifications ON notifications.seq = guarded.seq
JOIN sources ON sources.id = notifications.source
WHERE (CAST(:route AS text) IS NULL OR routes.name = :route)
    AND (CAST(:routes AS text[]) IS NULL OR routes.name = ANY (CAST(:routes AS text[])))
    AND (CAST(:list AS text) IS NULL OR guarded.list = :list)
    AND (CAST(:sources AS text[]) IS NULL OR sources.name = ANY (CAST(:sources AS text[])))
ORDER BY guarded.seq DESC, guarded.value, routes.name
LIMIT :limit;
