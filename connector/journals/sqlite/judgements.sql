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

-- name: withheld_among
SELECT seq FROM withheld WHERE route = :route AND seq IN (SELECT value FROM json_each(:seqs));

-- name: alike
SELECT seq
FROM notifications
WHERE observable = (SELECT observable FROM notifications WHERE seq = :seq)
    AND observable <> 0
    AND seq <> :seq
    AND source IN (SELECT id FROM sources WHERE name IN (SELECT value FROM json_each(:sources)))
ORDER BY seq DESC
LIMIT :limit;

-- name: about
SELECT seq
FROM notifications
WHERE observable = :observable
    AND observable <> 0
    AND source IN (SELECT id FROM sources WHERE name IN (SELECT value FROM json_each(:sources)))
ORDER BY seq DESC
LIMIT :limit;
