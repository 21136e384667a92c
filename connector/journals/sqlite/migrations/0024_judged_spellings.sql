-- What is judged of an observable is kept in one spelling, whatever it was when it was judged; what the disk has changed
-- stays as it is. The functions are those of connector/journals/sqlite/database.py.
UPDATE judgements
SET value = observable_as_written(value),
    trait = observable_trait(value),
    checksum = columns_checksum(
        'judgement', kind, observable_as_written(value), ruleset, source, verdict, by, note, at, until
    )
WHERE kind = 'observable'
    AND (value <> observable_as_written(value) OR trait <> observable_trait(value))
    AND checksum = columns_checksum('judgement', kind, value, ruleset, source, verdict, by, note, at, until);

-- Of what was judged in several spellings, what was taken back is so in all, and the newest that is in force decides.
UPDATE judgements SET is_over = 1, decides = 0
WHERE kind = 'observable'
    AND EXISTS (
        SELECT 1 FROM judgements AS later
        WHERE later.trait = judgements.trait
            AND later.kind = judgements.kind
            AND later.value = judgements.value
            AND later.ruleset = judgements.ruleset
            AND later.source = judgements.source
            AND later.verdict = 'none'
            AND later.id > judgements.id
    );
UPDATE judgements SET decides = 0
WHERE kind = 'observable'
    AND decides = 1
    AND EXISTS (
        SELECT 1 FROM judgements AS other
        WHERE other.trait = judgements.trait
            AND other.kind = judgements.kind
            AND other.value = judgements.value
            AND other.ruleset = judgements.ruleset
            AND other.source = judgements.source
            AND other.decides = 1
            AND other.id <> judgements.id
            AND (other.is_over, -other.id) < (judgements.is_over, -judgements.id)
    );

-- Of which entries the traits are to be made anew, since they were made by the spelling: up to this one. No row: of none.
CREATE TABLE traits_outdated (until INTEGER NOT NULL);
INSERT INTO traits_outdated SELECT seq FROM sqlite_sequence WHERE name = 'notifications' AND seq > 0;

-- Of which judgements it is not known yet which entries they concern in other spellings.
CREATE TABLE judgements_to_find (judgement INTEGER PRIMARY KEY);
INSERT INTO judgements_to_find SELECT id FROM judgements WHERE kind = 'observable' AND decides = 1 AND is_over = 0;

PRAGMA user_version = 24;
