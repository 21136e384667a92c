-- Dead letters that whoever serves their route is asked to deliver after all.
ALTER TABLE dead_letters ADD COLUMN retry_asked INTEGER NOT NULL DEFAULT 0;
CREATE INDEX dead_letters_to_retry ON dead_letters (route, seq) WHERE retry_asked = 1;

PRAGMA user_version = 5;
