-- What the disk garbles is found when it is read. Null: stored before, and not checked.
ALTER TABLE notifications ADD COLUMN checksum INTEGER;

PRAGMA user_version = 7;
