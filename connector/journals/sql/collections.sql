-- As journal.sql, of collections.

-- name: add_collection
INSERT INTO collections (name) VALUES (:name) ON CONFLICT (name) DO NOTHING;

-- name: collection_id
SELECT id FROM collections WHERE name = :name;

-- name: add_collection_type
INSERT INTO collection_types (collection, type) VALUES (:collection, :type) ON CONFLICT (collection, type) DO NOTHING;

-- name: collection_type_id
SELECT id FROM collection_types WHERE collection = :collection AND type = :type;

-- name: last_added
SELECT coalesce(max(added), 0) FROM collection_objects;

-- name: body_of_version
SELECT object_id, version, checksum, dictionary, body
FROM collection_objects
WHERE collection = :collection AND object_id = :object_id AND modified = :modified;

-- name: bodies_of_object
SELECT object_id, version, checksum, dictionary, body
FROM collection_objects
WHERE collection = :collection AND object_id = :object_id;

-- name: mend_object
UPDATE collection_objects
SET version = :version, checksum = :checksum, dictionary = :dictionary, body = :body
WHERE collection = :collection AND object_id = :object_id AND modified = :modified;

-- name: oldest_and_newest_version
SELECT min(modified), max(modified) FROM collection_objects WHERE collection = :collection AND object_id = :object_id;

-- name: add_object
INSERT INTO collection_objects
    (added, collection, type, object_id, modified, version, is_first, is_last, checksum, dictionary, body)
VALUES
    (:added, :collection, :type, :object_id, :modified, :version, :is_first, :is_last, :checksum, :dictionary, :body);

-- name: no_longer_first
UPDATE collection_objects SET is_first = 0
WHERE collection = :collection AND object_id = :object_id AND modified = :modified;

-- name: no_longer_last
UPDATE collection_objects SET is_last = 0
WHERE collection = :collection AND object_id = :object_id AND modified = :modified;

-- name: holds_object
SELECT 1 FROM collection_objects WHERE collection = :collection AND object_id = :object_id LIMIT 1;
