-- What routes do not say is bad, since a known-good list has it.

-- name: unguard
DELETE FROM guarded WHERE route = :route AND seq = :seq;

-- name: unguard_after
DELETE FROM guarded
WHERE route = :route
    AND seq > :position
    AND (SELECT source FROM notifications WHERE notifications.seq = guarded.seq) = :source;

-- name: count_guarded
SELECT count(*) FILTER (WHERE derived = 0), count(*) FILTER (WHERE derived = 1) FROM guarded WHERE route = :route;

-- name: delete_guarded
DELETE FROM guarded WHERE route = :route;

-- name: delete_guarded_of_reading
DELETE FROM guarded
WHERE route = :route
    AND (SELECT source FROM notifications WHERE notifications.seq = guarded.seq) = :source;
