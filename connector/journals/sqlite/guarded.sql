-- As journal.sql, of what known-good lists have.

-- name: guard
INSERT INTO guarded (route, seq, value, derived, list, entry)
VALUES (:route, :seq, :value, :derived, :list, :entry)
ON CONFLICT (route, seq, value, derived) DO UPDATE SET list = excluded.list, entry = excluded.entry;

-- name: guarded
SELECT routes.name, guarded.seq, sources.name, notifications.notification_id, notifications.raised,
    guarded.value, guarded.derived, guarded.list, guarded.entry
FROM guarded
JOIN routes ON routes.id = guarded.route
JOIN notifications ON notifications.seq = guarded.seq
JOIN sources ON sources.id = notifications.source
WHERE (:route IS NULL OR routes.name = :route)
    AND (:routes IS NULL OR routes.name IN (SELECT value FROM json_each(:routes)))
    AND (:list IS NULL OR guarded.list = :list)
    AND (:sources IS NULL OR sources.name IN (SELECT value FROM json_each(:sources)))
ORDER BY guarded.seq DESC, guarded.value, routes.name
LIMIT :limit;
