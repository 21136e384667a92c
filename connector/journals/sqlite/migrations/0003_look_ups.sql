-- What notifications name, what a source has looked up of it, and what routes delivered before that was known.
CREATE TABLE subjects (
    id          INTEGER PRIMARY KEY,
    source      INTEGER NOT NULL REFERENCES sources (id),
    type        TEXT NOT NULL,
    subject_id  TEXT NOT NULL,
    state       TEXT,                        -- known, absent or forbidden; null before the first answer
    asked_at    INTEGER NOT NULL DEFAULT 0,  -- Unix seconds
    due         INTEGER NOT NULL DEFAULT 0,  -- when to ask again, Unix seconds; 0: never asked
    learned     INTEGER NOT NULL DEFAULT 0,  -- grows over all subjects with each that says something new
    digest      BLOB,
    report      BLOB,                        -- JSON
    attributes  BLOB,                        -- JSON; null while nothing is known
    UNIQUE (source, type, subject_id)
);
CREATE INDEX subjects_by_due ON subjects (source, due, state, asked_at);
CREATE INDEX subjects_by_learning ON subjects (source, learned);

CREATE TABLE mentions (
    subject  INTEGER NOT NULL REFERENCES subjects (id),
    seq      INTEGER NOT NULL REFERENCES notifications (seq) ON DELETE CASCADE,
    PRIMARY KEY (subject, seq)
) WITHOUT ROWID;
CREATE INDEX mentions_by_entry ON mentions (seq);

-- A route has still to render the entries that name a subject, after one seq and until another.
CREATE TABLE outdated (
    route    INTEGER NOT NULL REFERENCES routes (id),
    subject  INTEGER NOT NULL REFERENCES subjects (id) ON DELETE CASCADE,
    after    INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    learned  INTEGER NOT NULL,  -- as of the subject
    PRIMARY KEY (route, subject)
) WITHOUT ROWID;
CREATE INDEX outdated_by_subject ON outdated (subject);

ALTER TABLE sources ADD COLUMN learned INTEGER NOT NULL DEFAULT 0;  -- the highest among its subjects, past ones too
ALTER TABLE routes ADD COLUMN revises INTEGER NOT NULL DEFAULT 0;   -- whether its documents have versions
UPDATE routes SET revises = EXISTS (SELECT 1 FROM versions WHERE versions.route = routes.id);

-- As connector.notification.subjects finds them.
CREATE TEMPORARY TABLE named AS
WITH bodies AS (
    SELECT seq, source, CAST(body AS TEXT) AS body FROM notifications WHERE json_valid(CAST(body AS TEXT))
),
said AS (
    SELECT seq, source, body,
        CASE json_extract(body, '$.type') WHEN 'ioc_stream_notification' THEN '$.attributes' ELSE '$.context_attributes'
        END AS place
    FROM bodies
),
placed AS (
    SELECT seq, source, body,
        CASE WHEN json_type(body, place || '.sources') IS NULL THEN place || '.hunting_info.sources'
        ELSE place || '.sources' END AS place
    FROM said
),
listed AS (
    SELECT seq, source, json_extract(body, place) AS sources FROM placed WHERE json_type(body, place) = 'array'
),
elements AS (
    SELECT seq, source, each.value AS element FROM listed, json_each(listed.sources) AS each WHERE each.type = 'object'
)
SELECT DISTINCT
    seq, source, json_extract(element, '$.type') AS type, json_extract(element, '$.id') AS subject_id
FROM elements
WHERE json_extract(element, '$.type') IN ('hunting_ruleset', 'retrohunt_job', 'collection', 'threat_actor')
    AND json_type(element, '$.id') = 'text'
    AND length(json_extract(element, '$.id')) BETWEEN 1 AND 512;
INSERT INTO subjects (source, type, subject_id)
SELECT source, type, subject_id FROM named GROUP BY source, type, subject_id ORDER BY min(seq);
INSERT INTO mentions (subject, seq)
SELECT subjects.id, named.seq FROM named JOIN subjects USING (source, type, subject_id);
DROP TABLE named;

PRAGMA user_version = 3;
