-- As journal.sql, of what analysts say.

-- name: judged_mark
-- The last number that was given out (sqlite.org/autoinc.html), which `change_judged_mark` skips.
SELECT seq FROM sqlite_sequence WHERE name = 'judgements';

-- name: change_judged_mark
UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'judgements';

-- name: newer_dated
-- Of the last entries about the same observable before each of these, or of all, those that are dated later; the latest
-- come last.
SELECT late.seq, newer.seq
FROM notifications AS late
CROSS JOIN notifications AS newer
    ON newer.seq IN (
        SELECT former.seq
        FROM (
            SELECT seq, date, source
            FROM notifications
            WHERE observable = late.observable AND seq < iif(:are_all = 1, 9223372036854775807, late.seq)
            ORDER BY seq DESC
            LIMIT :former
        ) AS former
        WHERE (former.date > late.date OR (former.date = late.date AND former.seq > late.seq))
            AND former.source IN (SELECT id FROM sources WHERE name IN (SELECT value FROM json_each(:sources)))
        ORDER BY former.date DESC, former.seq DESC
        LIMIT :limit
    )
WHERE late.seq IN (SELECT value FROM json_each(:seqs)) AND late.observable <> 0
ORDER BY newer.date, newer.seq;

-- name: rule_records
SELECT judged_rules.rule, judged_rules.ruleset, judged_rules.source,
    sum(judgements.verdict = 'true_positive'), sum(judgements.verdict = 'false_positive'),
    sum(judgements.verdict = 'benign')
FROM judgements
JOIN judged_rules ON judged_rules.judgement = judgements.id
WHERE judgements.decides = 1
    AND judgements.is_over = 0
    AND (:sources IS NULL OR judged_rules.source IN (SELECT value FROM json_each(:sources)))
GROUP BY 1, 2, 3
ORDER BY sum(judgements.verdict = 'false_positive') DESC, count(*) DESC, 1, 2, 3
LIMIT :limit;

-- name: add_judgement
INSERT INTO judgements (
    kind, value, ruleset, source, verdict, by, note, at, until, trait, is_over, decides, checksum
)
VALUES (
    :kind, :value, :ruleset, :source, :verdict, :by, :note, :at, :until, :trait, :is_over, :decides, :checksum
)
RETURNING id;

-- name: judged_by_other_hashes
-- Values that can be the MD5 or SHA-1 of a file, for which nobody has found the SHA-256 yet.
SELECT DISTINCT value FROM judgements
WHERE kind = 'observable' AND decides = 1 AND length(value) IN (32, 40) AND value NOT GLOB '*[^0-9a-f]*';
