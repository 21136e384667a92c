-- What routes do not say is bad, since a known-good list has it.

-- name: guard
INSERT INTO guarded (route, seq, value, derived, list, entry)
VALUES (:route, :seq, :value, :derived, :list, :entry)
ON CONFLICT (route, seq, value, derived) DO UPDATE SET list = excluded.list, entry = excluded.entry;

-- name: unguard
DELETE FROM guarded WHERE route = :route AND seq = :seq;

-- name: unguard_after
DELETE FROM guarded
WHERE route = :route
    AND seq > :position
    AND (SELECT source FROM notifications WHERE notifications.seq = guarded.seq) = :source;

-- name: count_guarded
SELECT coalesce(sum(derived = 0), 0), coalesce(sum(derived = 1), 0) FROM guarded WHERE route = :route;

-- name: delete_guarded
DELETE FROM guarded WHERE route = :route;

-- name: delete_guarded_of_reading
DELETE FROM guarded
WHERE route = :route AND seq IN (SELECT seq FROM notifications WHERE notifications.source = :source);

-- name: guarded
SELECT routes.name, guarded.seq, sources.name, notifications.notification_id, notifications.raised,
    guarded.value, guarded.derived, guarded.list, guarded.entry
FROM guarded
JOIN routes ON routes.id = guarded.route
JOIN notifications ON notifications.seq = guarded.seq
JOIN sources ON sources.id = notifications.source
WHERE (:route IS NULL OR routes.name = :route) AND (:list IS NULL OR guarded.list = :list)
ORDER BY guarded.seq DESC, guarded.value, routes.name
LIMIT :limit;
