-- The approvals of one interface, schema 1. Seals and the chain of actions are those of
-- the ledger (schema.sql): an approval is the action of its number and the scope.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL,
    seal  TEXT NOT NULL
);

-- Who approved what, in order; never rewritten.
CREATE TABLE approval (
    number INTEGER PRIMARY KEY,         -- that of its action
    name   TEXT NOT NULL,               -- who approved
    date   TEXT NOT NULL,               -- the day they did
    actor  TEXT NOT NULL,               -- who wrote it down
    at     BIGINT NOT NULL,
    digest TEXT NOT NULL,               -- SHA-256 of the scope
    scope  TEXT NOT NULL,               -- its canonical form
    seal   TEXT NOT NULL
);

-- One for each, without gaps: as in the ledger.
CREATE TABLE action (
    id     INTEGER PRIMARY KEY,
    verb   TEXT NOT NULL,               -- approve
    about  TEXT NOT NULL,               -- who approved, and on which day
    was    TEXT NOT NULL,               -- the digest of the scope that was approved before
    now    TEXT NOT NULL,               -- that of the one that is approved since
    actor  TEXT NOT NULL,
    why    TEXT NOT NULL,
    at     BIGINT NOT NULL,
    before TEXT NOT NULL,
    seal   TEXT NOT NULL
);
