-- As journal.sql, of collections. Ids of objects are packed; each place among the versions of an object is a list.

-- name: list
SELECT added FROM collection_objects INDEXED BY collection_place
WHERE collection = :collection AND place = :place AND added > :after ORDER BY added LIMIT :limit;

-- name: list_of_type
SELECT added FROM collection_objects INDEXED BY collection_type_place
WHERE type = :type AND place = :place AND added > :after ORDER BY added LIMIT :limit;

-- name: list_of_versions
SELECT added FROM collection_objects INDEXED BY collection_version
WHERE collection = :collection AND modified IN (SELECT value FROM json_each(:versions)) AND added > :after
    AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))
ORDER BY added LIMIT :limit;

-- name: list_of_ids
SELECT added FROM collection_objects INDEXED BY collection_objects_by_id
WHERE collection = :collection AND object_id IN (SELECT packed_id(value) FROM json_each(:ids)) AND added > :after
    AND (place IN (SELECT value FROM json_each(:places)) OR modified IN (SELECT value FROM json_each(:versions)))
    AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))
ORDER BY added LIMIT :limit;

-- name: collected_objects
SELECT added, unpacked_id(object_id), modified, version, checksum, dictionary, body FROM collection_objects
WHERE added IN (SELECT value FROM json_each(:added)) ORDER BY added;

-- name: collected_manifest
SELECT added, unpacked_id(object_id), modified, version FROM collection_objects
WHERE added IN (SELECT value FROM json_each(:added)) ORDER BY added;

-- name: newest_added
SELECT (
    SELECT max(added) FROM collection_objects INDEXED BY collection_place
    WHERE collection = :collection AND place = json_each.value
)
FROM json_each(:places)
ORDER BY 1 DESC
LIMIT 1;

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

-- name: objects_between
SELECT added, unpacked_id(object_id), modified, version, checksum, dictionary, body
FROM collection_objects INDEXED BY collection_place
WHERE collection = :collection AND place = :place AND added > :after AND added < :before
ORDER BY added
LIMIT :limit;

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
