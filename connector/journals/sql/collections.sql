-- What SqliteCollections asks of its tables (migrations/), each under a name.

-- name: know_collection
INSERT INTO collections (name) VALUES (:name) ON CONFLICT (name) DO NOTHING;

-- name: collection_id
SELECT id FROM collections WHERE name = :name;

-- name: know_type
INSERT INTO collection_types (collection, type) VALUES (:collection, :type) ON CONFLICT (collection, type) DO NOTHING;

-- name: type_id
SELECT id FROM collection_types WHERE collection = :collection AND type = :type;

-- name: last_added
SELECT coalesce(max(added), 0) FROM collection_objects;

-- name: version_body
SELECT body FROM collection_objects WHERE collection = :collection AND object_id = :object_id AND modified = :modified;

-- name: same_body
SELECT 1 FROM collection_objects WHERE collection = :collection AND object_id = :object_id AND body = :body;

-- name: oldest_and_newest
SELECT min(modified), max(modified) FROM collection_objects WHERE collection = :collection AND object_id = :object_id;

-- name: add
INSERT INTO collection_objects (added, collection, type, object_id, modified, version, is_first, is_last, body)
VALUES (:added, :collection, :type, :object_id, :modified, :version, :is_first, :is_last, :body);

-- name: no_longer_first
UPDATE collection_objects SET is_first = 0
WHERE collection = :collection AND object_id = :object_id AND modified = :modified;

-- name: no_longer_last
UPDATE collection_objects SET is_last = 0
WHERE collection = :collection AND object_id = :object_id AND modified = :modified;

-- name: every
SELECT added FROM collection_objects INDEXED BY collection_every
WHERE collection = :collection AND added > :after ORDER BY added LIMIT :limit;

-- name: last
SELECT added FROM collection_objects INDEXED BY collection_last
WHERE collection = :collection AND is_last = 1 AND added > :after ORDER BY added LIMIT :limit;

-- name: first
SELECT added FROM collection_objects INDEXED BY collection_first
WHERE collection = :collection AND is_first = 1 AND added > :after ORDER BY added LIMIT :limit;

-- name: every_of_type
SELECT added FROM collection_objects INDEXED BY collection_type_every
WHERE type = :type AND added > :after ORDER BY added LIMIT :limit;

-- name: last_of_type
SELECT added FROM collection_objects INDEXED BY collection_type_last
WHERE type = :type AND is_last = 1 AND added > :after ORDER BY added LIMIT :limit;

-- name: first_of_type
SELECT added FROM collection_objects INDEXED BY collection_type_first
WHERE type = :type AND is_first = 1 AND added > :after ORDER BY added LIMIT :limit;

-- name: of_versions
SELECT added FROM collection_objects INDEXED BY collection_version
WHERE collection = :collection AND modified IN (SELECT value FROM json_each(:versions)) AND added > :after
    AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))
ORDER BY added LIMIT :limit;

-- name: of_ids
SELECT added FROM collection_objects INDEXED BY collection_objects_by_id
WHERE collection = :collection AND object_id IN (SELECT value FROM json_each(:ids)) AND added > :after
    AND (:every OR (:last AND is_last) OR (:first AND is_first) OR modified IN (SELECT value FROM json_each(:versions)))
    AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))
ORDER BY added LIMIT :limit;

-- name: objects
SELECT added, object_id, version, body FROM collection_objects
WHERE added IN (SELECT value FROM json_each(:added)) ORDER BY added;

-- name: manifest
SELECT added, object_id, version FROM collection_objects
WHERE added IN (SELECT value FROM json_each(:added)) ORDER BY added;

-- name: holds
SELECT 1 FROM collection_objects WHERE collection = :collection AND object_id = :object_id LIMIT 1;

-- name: newest
SELECT max(added) FROM collection_objects INDEXED BY collection_every WHERE collection = :collection;
