-- The processes that share the sources and routes of this journal (connector/journals/postgresql/workers.py).
CREATE TABLE workers (
    holder       text COLLATE "C" PRIMARY KEY,  -- the token of its leases
    name         text COLLATE "C" NOT NULL,     -- as people name it: host and process
    since        bigint NOT NULL,               -- Unix seconds, by the clock of this database
    seen         bigint NOT NULL,               -- likewise
    is_drained   bigint NOT NULL,               -- 0 or 1
    could        text COLLATE "C" NOT NULL,     -- a JSON array: by kind, the sources and routes of its configuration
    parts        text COLLATE "C" NOT NULL,     -- a JSON array: the sources and routes that it is to serve
    fetched      bigint NOT NULL,               -- notifications since it began
    delivered    bigint NOT NULL                -- likewise
) WITH (fillfactor = 50);
