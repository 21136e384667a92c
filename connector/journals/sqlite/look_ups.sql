-- As journal.sql, of what notifications name.

-- name: mentions_in
SELECT seq, subject FROM mentions WHERE seq IN (SELECT value FROM json_each(:seqs));

-- name: known_subjects
SELECT id, type, subject_id, attributes, dictionary, checksum, until
FROM subjects
WHERE id IN (SELECT value FROM json_each(:ids)) AND attributes IS NOT NULL;

-- name: outdate_delivered
-- Of what routes have passed already; what they have read and pass later is for `outdate_read`.
INSERT INTO outdated (route, subject, after, until, learned)
SELECT positions.route, :subject, 0, positions.seq, :learned
FROM positions
JOIN routes ON routes.id = positions.route
WHERE positions.source = :source
    AND (routes.revises OR :always)
    AND EXISTS (SELECT 1 FROM mentions WHERE mentions.subject = :subject AND mentions.seq <= positions.seq)
ON CONFLICT (route, subject) DO UPDATE
SET after = excluded.after, until = max(until, excluded.until), learned = excluded.learned;

-- name: outdate_read
-- Of what a route passes just now: the entries after `after`, up to `until`.
INSERT INTO outdated (route, subject, after, until, learned)
SELECT :route, id, :after, :until, learned
FROM subjects
WHERE source = :source
    AND learned > :learned
    AND (:revises OR type IN ('judged_notification', 'judged_observable', 'judged_rule'))
    AND EXISTS (SELECT 1 FROM mentions WHERE mentions.subject = id AND seq > :after AND seq <= :until)
ON CONFLICT (route, subject) DO UPDATE
SET after = min(after, excluded.after), until = max(until, excluded.until), learned = excluded.learned;

-- name: has_learned
SELECT 1
FROM sources
CROSS JOIN subjects ON subjects.source = sources.id AND subjects.learned > :learned
WHERE sources.name IN (SELECT value FROM json_each(:sources))
    AND EXISTS (SELECT 1 FROM mentions WHERE mentions.subject = subjects.id AND mentions.seq <= :until)
LIMIT 1;

-- name: outdated
-- CROSS JOIN keeps the order of the tables, and with it that of the indexes.
SELECT
    outdated.subject,
    mentions.seq,
    CASE subjects.type
        WHEN 'judged_notification' THEN 'notification'
        WHEN 'judged_observable' THEN 'observable'
        WHEN 'judged_rule' THEN 'rule'
    END
FROM routes
CROSS JOIN outdated ON outdated.route = routes.id
CROSS JOIN subjects ON subjects.id = outdated.subject
CROSS JOIN positions ON positions.route = outdated.route AND positions.source = subjects.source
CROSS JOIN mentions
    ON mentions.subject = outdated.subject
    AND mentions.seq > outdated.after
    AND mentions.seq <= min(outdated.until, positions.seq)
WHERE routes.name = :route
    AND subjects.source IN (SELECT id FROM sources WHERE name IN (SELECT value FROM json_each(:sources)))
ORDER BY outdated.subject, mentions.seq
LIMIT :limit;

-- name: count_outdated
SELECT count(*)
FROM outdated
CROSS JOIN subjects ON subjects.id = outdated.subject
CROSS JOIN positions ON positions.route = outdated.route AND positions.source = subjects.source
CROSS JOIN mentions
    ON mentions.subject = outdated.subject
    AND mentions.seq > outdated.after
    AND mentions.seq <= min(outdated.until, positions.seq)
WHERE outdated.route = :route;

-- name: move_outdated
UPDATE outdated
SET after = max(after, :reached)
WHERE route = :route AND subject = :subject AND learned <= :learned;

-- name: count_look_ups
SELECT coalesce(sum(state = 'known'), 0), coalesce(sum(state = 'absent'), 0), coalesce(sum(state = 'forbidden'), 0),
    coalesce(sum(rank = 0 AND due <= :now), 0),
    (SELECT count(*) FROM look_ups WHERE look_ups.source = :source AND look_ups.asked_at >= :midnight)
FROM subjects
WHERE source = :source;

-- name: known_files
SELECT subject_id, attributes, dictionary, checksum
FROM sources
CROSS JOIN subjects ON subjects.source = sources.id AND subjects.type = 'file'
WHERE attributes IS NOT NULL;
