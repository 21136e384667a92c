-- Who shares the sources and routes. There are as many rows as there are processes, and some that have just died.

-- name: see_worker
INSERT INTO workers (holder, name, since, seen, is_drained, could, parts, fetched, delivered)
VALUES (
    :holder, :name, floor(extract(epoch FROM clock_timestamp())), floor(extract(epoch FROM clock_timestamp())), 0,
    :could, '[]', :fetched, :delivered
)
ON CONFLICT (holder) DO UPDATE
SET seen = excluded.seen,
    could = excluded.could,
    fetched = excluded.fetched,
    delivered = excluded.delivered;

-- name: forget_dead_workers
DELETE FROM workers WHERE seen < floor(extract(epoch FROM clock_timestamp())) - :seconds;

-- name: workers
SELECT
    holder, name, since, seen, is_drained <> 0, could, parts, fetched, delivered,
    seen >= floor(extract(epoch FROM clock_timestamp())) - :seconds
FROM workers
ORDER BY since, holder;

-- name: leases_of_others
SELECT name FROM leases
WHERE holder <> :holder AND expires > floor(extract(epoch FROM clock_timestamp()));

-- name: allot
UPDATE workers SET parts = :parts WHERE holder = :holder;

-- name: drain_worker
UPDATE workers SET is_drained = :is_drained WHERE name = :name;

-- name: forget_worker
DELETE FROM workers WHERE holder = :holder;
