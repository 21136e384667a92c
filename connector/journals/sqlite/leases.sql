-- As sql/leases.sql; the time is that of the process that asks.

-- name: lease
SELECT holder, host, realm, pid, process_started, since, expires, :now FROM leases WHERE name = :name;

-- name: all_leases
SELECT name, host, realm, pid, process_started, since, expires, :now FROM leases ORDER BY name;

-- name: take_lease
INSERT INTO leases (name, holder, host, realm, pid, process_started, since, expires)
VALUES (:name, :holder, :host, :realm, :pid, :process_started, :now, :now + :seconds)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder,
    host = excluded.host,
    realm = excluded.realm,
    pid = excluded.pid,
    process_started = excluded.process_started,
    since = excluded.since,
    expires = excluded.expires;

-- name: renew_lease
UPDATE leases SET expires = :now + :seconds WHERE name = :name AND holder = :holder;

-- name: renew_leases
UPDATE leases SET expires = :now + :seconds WHERE holder = :holder AND expires <> 0;
