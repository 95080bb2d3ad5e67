-- The people who work with this program in the browser, schema 1.
--
-- Portable SQL, as in the ledger: BIGINT and TEXT, times in unix seconds.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE person (
    name     TEXT PRIMARY KEY,         -- lower case
    password TEXT NOT NULL,            -- argon2id, a PHC string
    made_at  BIGINT NOT NULL,
    seen_at  BIGINT                    -- when they signed in last
);

CREATE TABLE permission (
    person TEXT NOT NULL REFERENCES person (name) ON DELETE CASCADE,
    word   TEXT NOT NULL,              -- Permission::word
    PRIMARY KEY (person, word)
);

-- Who is signed in. The token itself is in the browser only.
CREATE TABLE session (
    token   TEXT PRIMARY KEY,          -- SHA-256 of it, in hexadecimal
    person  TEXT NOT NULL REFERENCES person (name) ON DELETE CASCADE,
    address TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL            -- the last click, to the minute
);

-- Tries to sign in that did not succeed, one after the other.
CREATE TABLE tries (
    subject TEXT PRIMARY KEY,          -- `user NAME` or `address IP`
    failed  BIGINT NOT NULL,
    at      BIGINT NOT NULL
);

-- What people did and saw, in order and without gaps. `seal` is the beginning of the
-- SHA-256 of the row and of the seal before it: none can be changed, put in or taken
-- out without all that follow.
CREATE TABLE trail (
    id      INTEGER PRIMARY KEY,
    at      BIGINT NOT NULL,
    actor   TEXT NOT NULL,
    address TEXT NOT NULL,             -- where from; empty for the shell
    verb    TEXT NOT NULL,
    about   TEXT NOT NULL,             -- IDs of ours and places; never a patient
    seal    TEXT NOT NULL
);
