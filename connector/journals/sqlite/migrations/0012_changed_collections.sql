-- What a client knows of a collection is out of date when objects are added, and also when some are removed or mended.
ALTER TABLE collections ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;  -- how often objects were removed or mended

PRAGMA user_version = 12;
