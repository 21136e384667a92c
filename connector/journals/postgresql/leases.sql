-- As sql/leases.sql; the time is that of the database, which moves on within a transaction that had to wait.

-- name: lease
SELECT holder, host, realm, pid, process_started, since, expires, floor(extract(epoch FROM clock_timestamp()))::bigint
FROM leases
WHERE name = :name;

-- name: all_leases
SELECT name, host, realm, pid, process_started, since, expires, floor(extract(epoch FROM clock_timestamp()))::bigint
FROM leases
ORDER BY name;

-- name: take_lease
INSERT INTO leases (name, holder, host, realm, pid, process_started, since, expires)
VALUES (
    :name, :holder, :host, :realm, :pid, :process_started, floor(extract(epoch FROM clock_timestamp())),
    floor(extract(epoch FROM clock_timestamp()))::bigint + :seconds
)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder,
    host = excluded.host,
    realm = excluded.realm,
    pid = excluded.pid,
    process_started = excluded.process_started,
    since = excluded.since,
    expires = excluded.expires;

-- name: renew_lease
UPDATE leases SET expires = floor(extract(epoch FROM clock_timestamp()))::bigint + :seconds
WHERE name = :name AND holder = :holder;

-- name: renew_leases
UPDATE leases SET expires = floor(extract(epoch FROM clock_timestamp()))::bigint + :seconds
WHERE holder = :holder AND expires <> 0;
