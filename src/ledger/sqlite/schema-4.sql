-- The tables that the step from schema 3 to 4 makes anew, as they were in schema 4.
-- Frozen once that is released: later schemas change them in steps of their own.

CREATE TABLE delivery (
    batch           BIGINT NOT NULL REFERENCES batch (number),
    endpoint        TEXT NOT NULL,
    stage           TEXT NOT NULL,      -- Stage::word
    out_name        TEXT,               -- of the encrypted file that goes out instead
    out_digest      TEXT,               -- SHA-256 of it
    out_bytes       BIGINT,
    temp            TEXT,               -- the last temporary name
    place           TEXT,               -- where it lies: Server::place
    rename_at       BIGINT,             -- when its rename began
    tries           BIGINT NOT NULL,
    resent          BIGINT NOT NULL,    -- after an end that nobody could tell
    failures        BIGINT NOT NULL,    -- one after the other
    failure         TEXT,               -- the last one, until delivered
    failure_stopped BIGINT,             -- 1 until somebody acts
    failure_at      BIGINT,
    again_at        BIGINT,             -- when it is tried again by itself
    path            TEXT,               -- from here on the receipt
    bytes           BIGINT,
    evidence        TEXT,
    server          TEXT,
    host_key        TEXT,
    delivered_at    BIGINT,
    held_until      BIGINT,             -- when a held one goes on by itself
    answer_within   BIGINT,             -- seconds, where the endpoint acknowledges
    answered_at     BIGINT,             -- when all of its messages had their answer
    seal            TEXT NOT NULL,
    PRIMARY KEY (batch, endpoint)
);

CREATE TABLE extract (
    id        INTEGER PRIMARY KEY,
    digest    TEXT NOT NULL,
    name      TEXT NOT NULL,
    kind      TEXT NOT NULL,            -- ExtractKind::word
    bytes     BIGINT NOT NULL,
    inode     BIGINT NOT NULL,          -- which file, moved when: one is taken once
    header    TEXT NOT NULL,            -- to read a queued record again
    records   BIGINT NOT NULL,          -- = sent + filtered + error + duplicate
    sent      BIGINT NOT NULL,
    filtered  BIGINT NOT NULL,
    error     BIGINT NOT NULL,
    duplicate BIGINT NOT NULL,
    messages  BIGINT NOT NULL,
    notes     TEXT NOT NULL,            -- JSON: how often each note was made
    batch     BIGINT REFERENCES batch (number),
    taken_at  BIGINT NOT NULL,
    drop_id   BIGINT NOT NULL,          -- the first extract of its drop
    seal      TEXT NOT NULL,
    UNIQUE (digest, inode)
);

CREATE TABLE fault (
    id      INTEGER PRIMARY KEY,
    extract BIGINT NOT NULL,
    record  BIGINT NOT NULL,
    line    BIGINT NOT NULL,
    code    TEXT NOT NULL,              -- Code::id
    state   TEXT NOT NULL,              -- QueueState, RESUBMITTED, SUPERSEDED
    place   TEXT NOT NULL,              -- the column; empty for a whole row
    field   TEXT,                       -- PID-10
    source  TEXT NOT NULL,              -- the record as dropped: patient data
    action  BIGINT,                     -- what closed it; none while it waits
    next_extract BIGINT,                -- where a record that was converted again, or
    next_record  BIGINT,                -- came in a newer row, stands now
    whose    TEXT NOT NULL,             -- stands for the record: RecordKey, in hexadecimal
    modified BIGINT NOT NULL,           -- its lastmodified, YYYYMMDDHHMMSS; 0 if none
    since    BIGINT,                    -- when it was at fault first; none: in this extract
    times    BIGINT NOT NULL            -- in how many rows it was, one after the other
);

CREATE TABLE action (
    id     INTEGER PRIMARY KEY,
    verb   TEXT NOT NULL,               -- Decision::word, close, resubmit ...
    about  TEXT NOT NULL,               -- the batch and the endpoint, or the records
    was    TEXT NOT NULL,               -- their state before, in the words of the queue
    now    TEXT NOT NULL,               -- their state since then
    actor  TEXT NOT NULL,
    why    TEXT NOT NULL,
    at     BIGINT NOT NULL,
    before TEXT NOT NULL,
    seal   TEXT NOT NULL
);
