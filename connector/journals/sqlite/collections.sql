-- As journal.sql, of collections: each list has its index.

-- name: list_every
SELECT added FROM collection_objects INDEXED BY collection_every
WHERE collection = :collection AND added > :after ORDER BY added LIMIT :limit;

-- name: list_last
SELECT added FROM collection_objects INDEXED BY collection_last
WHERE collection = :collection AND is_last = 1 AND added > :after ORDER BY added LIMIT :limit;

-- name: list_first
SELECT added FROM collection_objects INDEXED BY collection_first
WHERE collection = :collection AND is_first = 1 AND added > :after ORDER BY added LIMIT :limit;

-- name: list_every_of_type
SELECT added FROM collection_objects INDEXED BY collection_type_every
WHERE type = :type AND added > :after ORDER BY added LIMIT :limit;

-- name: list_last_of_type
SELECT added FROM collection_objects INDEXED BY collection_type_last
WHERE type = :type AND is_last = 1 AND added > :after ORDER BY added LIMIT :limit;

-- name: list_first_of_type
SELECT added FROM collection_objects INDEXED BY collection_type_first
WHERE type = :type AND is_first = 1 AND added > :after ORDER BY added LIMIT :limit;

-- name: list_of_versions
SELECT added FROM collection_objects INDEXED BY collection_version
WHERE collection = :collection AND modified IN (SELECT value FROM json_each(:versions)) AND added > :after
    AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))
ORDER BY added LIMIT :limit;

-- name: list_of_ids
SELECT added FROM collection_objects INDEXED BY collection_objects_by_id
WHERE collection = :collection AND object_id IN (SELECT value FROM json_each(:ids)) AND added > :after
    AND (:every OR (:last AND is_last) OR (:first AND is_first) OR modified IN (SELECT value FROM json_each(:versions)))
    AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types)))
ORDER BY added LIMIT :limit;

-- name: collected_objects
SELECT added, object_id, version, checksum, dictionary, body FROM collection_objects
WHERE added IN (SELECT value FROM json_each(:added)) ORDER BY added;

-- name: collected_manifest
SELECT added, object_id, version FROM collection_objects
WHERE added IN (SELECT value FROM json_each(:added)) ORDER BY added;

-- name: newest_added
SELECT max(added) FROM collection_objects INDEXED BY collection_every WHERE collection = :collection;
