-- As journal.sql, of how bodies are compressed.

-- name: newest_dictionary
SELECT coalesce(max(number), 0) FROM dictionaries WHERE kind = :kind;

-- name: last_dictionary
SELECT coalesce(max(number), 0) FROM dictionaries;

-- name: dictionary
SELECT content, checksum FROM dictionaries WHERE number = :number ORDER BY copy;

-- name: add_dictionary
INSERT INTO dictionaries (number, copy, kind, content, checksum) VALUES (:number, :copy, :kind, :content, :checksum);

-- name: count_bodies
UPDATE body_kinds SET stored = stored + :count WHERE kind = :kind;

-- name: counted_bodies
SELECT stored, train_at FROM body_kinds WHERE kind = :kind;

-- name: train_next_at
UPDATE body_kinds SET train_at = :train_at WHERE kind = :kind;

-- name: sample_notifications
SELECT dictionary, body FROM notifications WHERE seq > 0 ORDER BY seq DESC LIMIT :limit;

-- name: sample_objects
SELECT dictionary, body FROM collection_objects WHERE added > 0 ORDER BY added DESC LIMIT :limit;
