-- As journal.sql, of collections.

-- name: add_collection
INSERT INTO collections (name) VALUES (:name) ON CONFLICT (name) DO NOTHING;

-- name: collection_id
SELECT id FROM collections WHERE name = :name;

-- name: add_collection_type
INSERT INTO collection_types (collection, type) VALUES (:collection, :type) ON CONFLICT (collection, type) DO NOTHING;

-- name: collection_type_id
SELECT id FROM collection_types WHERE collection = :collection AND type = :type;

-- name: times_changed
SELECT changed FROM collections WHERE id = :collection;

-- name: count_change
UPDATE collections SET changed = changed + 1 WHERE id = :collection;

-- name: last_added
SELECT coalesce(max(added), 0) FROM collection_objects;

-- name: delete_added
DELETE FROM collection_objects WHERE added = :added;

-- name: collected_objects
SELECT added, unpacked_id(object_id), modified, version, checksum, dictionary, body FROM collection_objects
WHERE added IN (SELECT CAST(value AS bigint) FROM json_each(:added)) ORDER BY added;

-- name: collected_manifest
SELECT added, unpacked_id(object_id), modified, version FROM collection_objects
WHERE added IN (SELECT CAST(value AS bigint) FROM json_each(:added)) ORDER BY added;

-- name: holds_object
SELECT 1 FROM collection_objects WHERE collection = :collection AND object_id = packed_id(:object_id) LIMIT 1;

-- name: body_of_version
SELECT unpacked_id(object_id), modified, version, checksum, dictionary, body
FROM collection_objects
WHERE collection = :collection AND object_id = packed_id(:object_id) AND modified = :modified;

-- name: bodies_of_object
SELECT unpacked_id(object_id), modified, version, checksum, dictionary, body
FROM collection_objects
WHERE collection = :collection AND object_id = packed_id(:object_id);

-- name: oldest_and_newest_version
SELECT min(modified), max(modified)
FROM collection_objects
WHERE collection = :collection AND object_id = packed_id(:object_id);

-- name: add_object
INSERT INTO collection_objects
    (added, collection, type, object_id, modified, version, place, checksum, dictionary, body)
VALUES (
    :added, :collection, :type, packed_id(:object_id), :modified, :version, :place, :checksum, :dictionary, :body
);

-- name: mend_object
UPDATE collection_objects
SET version = :version, checksum = :checksum, dictionary = :dictionary, body = :body
WHERE collection = :collection AND object_id = packed_id(:object_id) AND modified = :modified;

-- name: lose_place
UPDATE collection_objects SET place = place - :place
WHERE collection = :collection AND object_id = packed_id(:object_id) AND modified = :modified;

-- name: delete_object
DELETE FROM collection_objects WHERE collection = :collection AND object_id = packed_id(:object_id);

-- name: become_first
UPDATE collection_objects SET place = place | 2
WHERE collection = :collection
    AND object_id = packed_id(:object_id)
    AND modified = (
        SELECT min(modified)
        FROM collection_objects
        WHERE collection = :collection AND object_id = packed_id(:object_id)
    );
