-- As journal.sql, of what analysts say.

-- name: add_judgement
INSERT INTO judgements (
    kind, value, ruleset, source, verdict, by, note, at, until, trait, is_over, decides, checksum
)
VALUES (
    :kind, :value, :ruleset, :source, :verdict, :by, :note, :at, :until, :trait, :is_over, :decides, :checksum
);

-- name: add_judged_rule
INSERT INTO judged_rules (judgement, source, ruleset, rule) VALUES (:judgement, :source, :ruleset, :rule)
ON CONFLICT DO NOTHING;

-- name: end_judgements
-- What is said of the same, for good.
UPDATE judgements SET is_over = 1, decides = 0
WHERE trait = :trait AND kind = :kind AND value = :value AND ruleset = :ruleset AND source = :source AND is_over = 0;

-- name: supersede_judgement
UPDATE judgements SET decides = 0
WHERE trait = :trait AND kind = :kind AND value = :value AND ruleset = :ruleset AND source = :source AND decides = 1;

-- name: decide_anew
-- The newest of what is said of the same; if all of it is over, the one that was over last.
UPDATE judgements SET decides = 1
WHERE id = coalesce(
    (
        SELECT max(id) FROM judgements
        WHERE trait = :trait
            AND kind = :kind
            AND value = :value
            AND ruleset = :ruleset
            AND source = :source
            AND is_over = 0
    ),
    :id
);

-- name: end_judgement
UPDATE judgements SET is_over = 1 WHERE id = :id AND is_over = 0;

-- name: due_judgement
SELECT id, kind, value, ruleset, source, decides
FROM judgements
WHERE is_over = 0 AND until IS NOT NULL AND until <= :now
ORDER BY until, id
LIMIT 1;

-- name: decides_any
SELECT 1 FROM judgements WHERE decides = 1 LIMIT 1;

-- name: judged_observables
-- What is in force, the oldest first.
SELECT id, kind, value, ruleset, source, verdict, by, note, at, until, checksum, is_over, decides
FROM judgements
WHERE decides = 1 AND is_over = 0 AND kind = 'observable' AND source IN ('', :source)
ORDER BY id;

-- name: judged_by_other_hashes
-- Values that can be the MD5 or SHA-1 of a file, for which nobody has found the SHA-256 yet.
SELECT DISTINCT value FROM judgements
WHERE kind = 'observable' AND decides = 1 AND length(value) IN (32, 40) AND value NOT GLOB '*[^0-9a-f]*';

-- name: judgements_of_observable
SELECT id, kind, value, ruleset, source, verdict, by, note, at, until, checksum, is_over, decides
FROM judgements
WHERE kind = 'observable' AND value = :value;

-- name: rename_judgement
UPDATE judgements SET value = :value, trait = :trait, checksum = :checksum WHERE id = :id;

-- name: forget_judgements
DELETE FROM judgements WHERE is_over = 1 AND at < :before;

-- name: notifications_without_traits
SELECT seq, '', notification_id, date, checksum, dictionary, body
FROM notifications
WHERE observable IS NULL
LIMIT :limit;

-- name: set_traits
UPDATE notifications SET observable = :observable, rule = :rule WHERE seq = :seq;

-- name: notifications_after
SELECT seq, '', notification_id, date, checksum, dictionary, body
FROM notifications
WHERE seq > :after
ORDER BY seq
LIMIT :limit;

-- name: of_observable
SELECT seq FROM notifications
WHERE observable = :trait AND seq > :after AND (:source IS NULL OR source = :source)
ORDER BY seq
LIMIT :limit;

-- name: of_rule
SELECT seq FROM notifications
WHERE rule = :trait
    AND seq > :after
    AND (:source IS NULL OR source = :source)
    AND (
        :ruleset = ''
        OR EXISTS (
            SELECT 1 FROM mentions
            JOIN subjects ON subjects.id = mentions.subject
            WHERE mentions.seq = notifications.seq AND subjects.subject_id = :ruleset
        )
    )
ORDER BY seq
LIMIT :limit;

-- name: of_notification
SELECT notifications.seq
FROM sources
JOIN notifications ON notifications.source = sources.id AND notifications.notification_id = :value
WHERE notifications.seq > :after AND (:source IS NULL OR sources.id = :source)
ORDER BY notifications.seq
LIMIT :limit;

-- name: add_judged_subject
-- `due`: it is never looked up.
INSERT INTO subjects (source, type, subject_id, due)
SELECT source, :type, :subject_id, :due FROM notifications WHERE seq = :seq
ON CONFLICT DO NOTHING;

-- name: add_judged_mention
INSERT INTO mentions (subject, seq)
SELECT subjects.id, notifications.seq
FROM notifications
JOIN subjects ON subjects.source = notifications.source AND type = :type AND subject_id = :subject_id
WHERE notifications.seq = :seq
ON CONFLICT DO NOTHING;

-- name: rules_of_judgements
SELECT judgement, rule, ruleset, source FROM judged_rules WHERE judgement = :id ORDER BY source, ruleset, rule;

-- name: rule_records
SELECT judged_rules.rule, judged_rules.ruleset, judged_rules.source,
    sum(judgements.verdict = 'true_positive'), sum(judgements.verdict = 'false_positive'),
    sum(judgements.verdict = 'benign')
FROM judgements
JOIN judged_rules ON judged_rules.judgement = judgements.id
WHERE judgements.decides = 1 AND judgements.is_over = 0
GROUP BY 1, 2, 3
ORDER BY sum(judgements.verdict = 'false_positive') DESC, count(*) DESC, 1, 2, 3
LIMIT :limit;

-- name: judgements
SELECT id, kind, value, ruleset, source, verdict, by, note, at, until, checksum, is_over, decides
FROM judgements
WHERE id < :before
    AND (:kind IS NULL OR kind = :kind)
    AND (:value IS NULL OR value = :value)
    AND (:verdict IS NULL OR verdict = :verdict)
    AND (:source IS NULL OR source = :source)
    AND (:by IS NULL OR by = :by)
    AND (:in_force IS NULL OR (decides = 1 AND is_over = 0))
ORDER BY id DESC
LIMIT :limit;

-- name: withhold
INSERT INTO withheld (route, seq, judged) VALUES (:route, :seq, :judged)
ON CONFLICT (route, seq) DO UPDATE SET judged = excluded.judged;

-- name: let_through
DELETE FROM withheld WHERE route = :route AND seq = :seq;

-- name: let_through_between
DELETE FROM withheld
WHERE route = :route
    AND seq > :after
    AND seq <= :until
    AND (SELECT source FROM notifications WHERE notifications.seq = withheld.seq) = :source;

-- name: count_muted
SELECT count(*) FROM withheld WHERE route = :route AND judged = 1;

-- name: delete_withheld
DELETE FROM withheld WHERE route = :route;

-- name: delete_withheld_of_reading
DELETE FROM withheld
WHERE route = :route AND seq IN (SELECT seq FROM notifications WHERE notifications.source = :source);
