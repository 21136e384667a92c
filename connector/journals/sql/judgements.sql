-- As journal.sql, of what analysts say.

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

-- name: judged_traits
-- Of each thing that was ever judged, one judgement decides.
SELECT trait FROM judgements WHERE decides = 1;

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

-- name: set_other_traits
UPDATE notifications SET observable = :observable, rule = :rule
WHERE seq = :seq AND (observable IS NULL OR observable <> :observable OR rule <> :rule);

-- name: traits_outdated
SELECT until FROM traits_outdated;

-- name: traits_are_found_from
UPDATE traits_outdated SET until = :until;

-- name: traits_are_found
DELETE FROM traits_outdated;

-- name: judgement_to_find
SELECT judgements_to_find.judgement, kind, value, ruleset, source
FROM judgements_to_find
LEFT JOIN judgements ON judgements.id = judgements_to_find.judgement
ORDER BY judgements_to_find.judgement
LIMIT 1;

-- name: judgement_is_found
DELETE FROM judgements_to_find WHERE judgement = :id;

-- name: notifications_after
SELECT seq, '', notification_id, date, checksum, dictionary, body
FROM notifications
WHERE seq > :after AND (CAST(:source AS bigint) IS NULL OR source = :source)
ORDER BY seq
LIMIT :limit;

-- name: of_observable
SELECT seq FROM notifications
WHERE observable = :trait AND seq > :after AND (CAST(:source AS bigint) IS NULL OR source = :source)
ORDER BY seq
LIMIT :limit;

-- name: of_rule
SELECT seq FROM notifications
WHERE rule = :trait
    AND seq > :after
    AND (CAST(:source AS bigint) IS NULL OR source = :source)
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
WHERE notifications.seq > :after AND (CAST(:source AS bigint) IS NULL OR sources.id = :source)
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

-- name: judgements
SELECT id, kind, value, ruleset, source, verdict, by, note, at, until, checksum, is_over, decides
FROM judgements
WHERE id < :before
    AND (CAST(:kind AS text) IS NULL OR kind = :kind)
    AND (CAST(:value AS text) IS NULL OR value = :value)
    AND (CAST(:verdict AS text) IS NULL OR verdict = :verdict)
    AND (CAST(:source AS text) IS NULL OR source = :source)
    AND (CAST(:by AS text) IS NULL OR by = :by)
    AND (CAST(:in_force AS bigint) IS NULL OR (decides = 1 AND is_over = 0))
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
WHERE route = :route
    AND (SELECT source FROM notifications WHERE notifications.seq = withheld.seq) = :source;

-- name: deciding_judgements
SELECT id, kind, value, ruleset, source, verdict, by, note, at, until, checksum, is_over, decides
FROM (SELECT DISTINCT CAST(value AS bigint) AS trait FROM json_each(:traits)) AS wanted
CROSS JOIN judgements
WHERE judgements.decides = 1 AND judgements.trait = wanted.trait;

-- name: judged_subjects
SELECT subjects.id, subjects.source
FROM sources
CROSS JOIN subjects
WHERE subjects.source = sources.id
    AND subjects.type = :type
    AND subjects.subject_id = :subject_id
    AND (CAST(:source AS bigint) IS NULL OR sources.id = :source);

-- name: withheld_among
SELECT seq FROM withheld WHERE route = :route AND seq IN (SELECT CAST(value AS bigint) FROM json_each(:seqs));

-- name: alike
SELECT seq
FROM notifications
WHERE observable = (SELECT observable FROM notifications WHERE seq = :seq)
    AND observable <> 0
    AND seq <> :seq
    AND seq < :before
    AND source IN (SELECT id FROM sources WHERE name IN (SELECT CAST(value AS text) FROM json_each(:sources)))
ORDER BY seq DESC
LIMIT :limit;

-- name: alike_before
SELECT seq
FROM notifications
WHERE observable = (SELECT observable FROM notifications WHERE seq = :seq)
    AND observable <> 0
    AND seq < :seq
    AND source IN (SELECT id FROM sources WHERE name IN (SELECT CAST(value AS text) FROM json_each(:sources)))
ORDER BY seq DESC
LIMIT :limit;

-- name: about
SELECT seq
FROM notifications
WHERE observable = :observable
    AND observable <> 0
    AND seq < :before
    AND source IN (SELECT id FROM sources WHERE name IN (SELECT CAST(value AS text) FROM json_each(:sources)))
ORDER BY seq DESC
LIMIT :limit;
