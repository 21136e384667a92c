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

-- name: newest_added
SELECT (
    SELECT max(added) FROM collection_objects INDEXED BY collection_place
    WHERE collection = :collection AND place = json_each.value
)
FROM json_each(:places)
ORDER BY 1 DESC
LIMIT 1;

-- name: objects_between
SELECT added, unpacked_id(object_id), modified, version, checksum, dictionary, body
FROM collection_objects INDEXED BY collection_place
WHERE collection = :collection AND place = :place AND added > :after AND added < :before
ORDER BY added
LIMIT :limit;
