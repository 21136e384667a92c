-- Of which entries it was not written down yet which hosts they name: up to this one. No row: of none.
CREATE TABLE hosts_unread (until INTEGER NOT NULL);
INSERT INTO hosts_unread SELECT seq FROM sqlite_sequence WHERE name = 'notifications' AND seq > 0;

PRAGMA user_version = 22;
