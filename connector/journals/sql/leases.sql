-- Leases, told by the holder's process (leases.py). What asks for the time is in the store's own folder.

-- name: leases_held
SELECT name FROM leases WHERE holder = :holder AND expires <> 0;

-- name: offer_lease
UPDATE leases SET expires = 0 WHERE name = :name AND holder = :holder;

-- name: release_lease
DELETE FROM leases WHERE name = :name AND holder = :holder;

-- name: delete_lease
DELETE FROM leases WHERE name = :name;
