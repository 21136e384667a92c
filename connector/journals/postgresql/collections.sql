-- As sql/collections.sql, in words of PostgreSQL's own. Each place among the versions of an object is a list.

-- name: list
SELECT added FROM collection_objects
WHERE collection = :collection AND place = :place AND added > :after
ORDER BY added
LIMIT :limit;

-- name: list_of_type
SELECT added FROM collection_objects
WHERE type = :type AND place = :place AND added > :after
ORDER BY added
LIMIT :limit;

-- name: list_of_versions
SELECT added FROM collection_objects
WHERE collection = :collection
    AND modified = ANY (CAST(:versions AS bigint[]))
    AND added > :after
    AND (CAST(:types AS bigint[]) IS NULL OR type = ANY (CAST(:types AS bigint[])))
ORDER BY added
LIMIT :limit;

-- name: list_of_ids
SELECT added FROM collection_objects
WHERE collection = :collection
    AND object_id IN (SELECT packed_id(value) FROM json_each(:ids))
    AND added > :after
    AND (place = ANY (CAST(:places AS bigint[])) OR modified = ANY (CAST(:versions AS bigint[])))
    AND (CAST(:types AS bigint[]) IS NULL OR type = ANY (CAST(:types AS bigint[])))
ORDER BY added
LIMIT :limit;

-- name: newest_added
SELECT max(newest.added)
FROM json_each(:places) AS places
CROSS JOIN LATERAL (
    SELECT max(added) AS added
    FROM collection_objects
    WHERE collection = :collection AND place = CAST(places.value AS bigint)
) AS newest;

-- name: objects_between
SELECT added, unpacked_id(object_id), modified, version, checksum, dictionary, body
FROM collection_objects
WHERE collection = :collection AND place = :place AND added > :after AND added < :before
ORDER BY added
LIMIT :limit;
