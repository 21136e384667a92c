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
