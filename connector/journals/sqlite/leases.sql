-- Leases, told by the holder's process (leases.py).

-- name: lease
SELECT holder, host, realm, pid, process_started, since, expires FROM leases WHERE name = :name;

-- name: take_lease
INSERT INTO leases (name, holder, host, realm, pid, process_started, since, expires)
VALUES (:name, :holder, :host, :realm, :pid, :process_started, :since, :expires)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder,
    host = excluded.host,
    realm = excluded.realm,
    pid = excluded.pid,
    process_started = excluded.process_started,
    since = excluded.since,
    expires = excluded.expires;

-- name: renew_lease
UPDATE leases SET expires = :expires WHERE name = :name AND holder = :holder;

-- name: renew_leases
UPDATE leases SET expires = :expires WHERE holder = :holder AND expires <> 0;

-- name: leases_held
SELECT name FROM leases WHERE holder = :holder AND expires <> 0;

-- name: offer_lease
UPDATE leases SET expires = 0 WHERE name = :name AND holder = :holder;

-- name: release_lease
DELETE FROM leases WHERE name = :name AND holder = :holder;

-- name: all_leases
SELECT name, host, realm, pid, process_started, since, expires FROM leases ORDER BY name;

-- name: delete_lease
DELETE FROM leases WHERE name = :name;
