-- As sql/judgements.sql, in words of PostgreSQL's own.

-- name: add_judgement
WITH changed AS (
    UPDATE judged SET mark = mark + 1
)
INSERT INTO judgements (
    kind, value, ruleset, source, verdict, by, note, at, until, trait, is_over, decides, checksum
)
VALUES (
    :kind, :value, :ruleset, :source, :verdict, :by, :note, :at, :until, :trait, :is_over, :decides, :checksum
)
RETURNING id;

-- name: judged_mark
-- Not the number of the last judgement: a sequence moves on before what it numbers is there to be read.
SELECT mark FROM judged;

-- name: change_judged_mark
UPDATE judged SET mark = mark + 1;

-- name: judged_by_other_hashes
-- Values that can be the MD5 or SHA-1 of a file, for which nobody has found the SHA-256 yet.
SELECT DISTINCT value FROM judgements
WHERE kind = 'observable' AND decides = 1 AND length(value) IN (32, 40) AND value ~ '^[0-9a-f]+$';

-- name: newer_dated
-- Of the last entries about the same observable before each of these, or of all, those that are dated later; the latest
-- come last.
SELECT late.seq, newer.seq
FROM (SELECT DISTINCT CAST(value AS bigint) AS seq FROM json_each(:seqs)) AS wanted
CROSS JOIN notifications AS late
CROSS JOIN LATERAL (
    SELECT former.seq, former.date
    FROM (
        SELECT seq, date, source
        FROM notifications
        WHERE observable = late.observable AND seq < CASE WHEN CAST(:are_all AS integer) = 1 THEN 9223372036854775807 ELSE late.seq END
        ORDER BY seq DESC
        LIMIT :former
    ) AS former
    WHERE (former.date > late.date OR (former.date = late.date AND former.seq > late.seq))
        AND former.source IN (SELECT id FROM sources WHERE name IN (SELECT value FROM json_each(:sources)))
    ORDER BY former.date DESC, former.seq DESC
    LIMIT :limit
) AS newer
WHERE late.seq = wanted.seq AND late.observable <> 0
ORDER BY newer.date, newer.seq;

-- name: rule_records
SELECT judged_rules.rule, judged_rules.ruleset, judged_rules.source,
    count(*) FILTER (WHERE judgements.verdict = 'true_positive'),
    count(*) FILTER (WHERE judgements.verdict = 'false_positive'),
    count(*) FILTER (WHERE judgements.verdict = 'benign')
FROM judgements
JOIN judged_rules ON judged_rules.judgement = judgements.id
WHERE judgements.decides = 1
    AND judgements.is_over = 0
    AND (CAST(:sources AS text[]) IS NULL OR judged_rules.source = ANY (CAST(:sources AS text[])))
GROUP BY 1, 2, 3
ORDER BY 5 DESC, count(*) DESC, 1, 2, 3
LIMIT :limit;
