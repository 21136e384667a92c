-- As journal.sql, of what analysts say.

-- name: deciding_judgements
SELECT id, kind, value, ruleset, source, verdict, by, note, at, until, checksum, is_over, decides
FROM judgements
WHERE decides = 1 AND trait IN (SELECT value FROM json_each(:traits));

-- name: judged_subjects
SELECT subjects.id, subjects.source
FROM sources
CROSS JOIN subjects ON subjects.source = sources.id AND subjects.type = :type AND subjects.subject_id = :subject_id
WHERE :source IS NULL OR sources.id = :source;
