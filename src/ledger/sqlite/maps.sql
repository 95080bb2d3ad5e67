-- The mappings of all interfaces, schema 1: what people keep beside what was agreed.
-- Seals and the chain of changes are those of the ledger (schema.sql).

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL,
    seal  TEXT NOT NULL
);

-- A value of an extract and the one that is meant. One interface's own goes before
-- that of all.
CREATE TABLE mapping (
    interface TEXT NOT NULL,            -- empty: all of them
    kind      TEXT NOT NULL,            -- Mapped::word
    value     TEXT NOT NULL,            -- as it is dropped
    becomes   TEXT NOT NULL,            -- as it is meant
    note      TEXT NOT NULL,
    actor     TEXT NOT NULL,            -- who mapped it last
    at        BIGINT NOT NULL,
    seal      TEXT NOT NULL,
    PRIMARY KEY (interface, kind, value)
);

-- Who changed which, in order and without gaps: as in the ledger.
CREATE TABLE action (
    id     INTEGER PRIMARY KEY,
    verb   TEXT NOT NULL,               -- map, unmap
    about  TEXT NOT NULL,               -- the interface, the kind and the value
    was    TEXT NOT NULL,               -- what it was mapped to
    now    TEXT NOT NULL,
    actor  TEXT NOT NULL,
    why    TEXT NOT NULL,
    at     BIGINT NOT NULL,
    before TEXT NOT NULL,
    seal   TEXT NOT NULL
);
