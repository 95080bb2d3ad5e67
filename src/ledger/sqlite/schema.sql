-- The ledger of one interface in one environment, schema 4.
--
-- Portable SQL: BIGINT and TEXT only (but INTEGER PRIMARY KEY, which is SQLite's
-- word for a BIGINT key without an index beside it), identities given by the
-- program, times in unix seconds. A change here is a new SCHEMA in open.rs.
--
-- `seal` is the beginning of the SHA-256 of a row's other values: what was
-- changed from outside, be it one bit, is refused when it is read (sqlite/row.rs).
-- Only faults have none: nothing is sent because of them.

-- Whose ledger this is: `schema` and `owner` (interface/environment).
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- `control`, `file`: the next free numbers. `messages`: all that were ever made.
-- `ERROR`, `CBOERROR`, `ATHENAERROR`, `DELETED`: faults in that state, so that
-- nobody has to count a million rows. `RESUBMITTED`: faults that were converted again,
-- `SUPERSEDED`: those whose records came in newer rows.
-- `given_up`: messages of deleted batches. `closed_answers`: messages that a receiver
-- refused and somebody closed. `hold`: 0 new batches go out as they are made, 1 they are
-- held, more: until that time. `actions`: the number of the newest. `left`: messages that
-- left with their time; `last_fault`: the highest number that a fault which left had;
-- `swept`: the day, since 1970, on which all that was due left last (ledger/retention.rs).
-- `register`: bytes of the register's log that count; `register_entries`: how many entries
-- were written to it; `register_moved`: twice how often it was written anew, odd while the
-- new one waits for its name (sqlite/compact.rs).
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL,
    seal  TEXT NOT NULL
);

-- A batch file, frozen. Its messages have no rows: they stand where it stands.
CREATE TABLE batch (
    number        INTEGER PRIMARY KEY,  -- FHS-11
    name          TEXT NOT NULL UNIQUE, -- the final file name
    digest        TEXT NOT NULL,        -- SHA-256 of the file
    bytes         BIGINT NOT NULL,
    first_control BIGINT NOT NULL,      -- MSH-10 of its first message
    messages      BIGINT NOT NULL,
    made_at       BIGINT NOT NULL,
    seal          TEXT NOT NULL
);

-- One batch on its way to one endpoint.
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

-- Finds the few that are not done among all that were.
CREATE INDEX delivery_open ON delivery (batch, endpoint)
    WHERE stage NOT IN ('delivered', 'deleted');

-- Finds the few that were given up.
CREATE INDEX delivery_deleted ON delivery (batch) WHERE stage = 'deleted';

-- A batch that holds messages of an earlier one again, under new numbers.
CREATE TABLE rebuilt (
    batch   INTEGER PRIMARY KEY REFERENCES batch (number),
    of      BIGINT NOT NULL REFERENCES batch (number),
    request TEXT NOT NULL UNIQUE,       -- what asked for it: carried out once
    seal    TEXT NOT NULL
);

CREATE INDEX rebuilt_of ON rebuilt (of);

-- A batch whose file left sent/ with its time, or is about to. Nobody looks for it.
CREATE TABLE aged (
    batch INTEGER PRIMARY KEY REFERENCES batch (number),
    at    BIGINT NOT NULL,
    seal  TEXT NOT NULL
);

-- Finds the few that await their acknowledgement.
CREATE INDEX delivery_awaits ON delivery (batch, endpoint)
    WHERE stage = 'delivered' AND answer_within IS NOT NULL AND answered_at IS NULL;

-- A message that stands elsewhere than its batch, for what its receiver answered
-- (ledger/answers.rs). The seal is that of all but `action`.
CREATE TABLE answer (
    control  BIGINT NOT NULL,           -- the number in its MSH-10
    endpoint TEXT NOT NULL,
    batch    BIGINT NOT NULL REFERENCES batch (number),
    code     TEXT NOT NULL,             -- MSA-1
    what     TEXT NOT NULL,             -- why, in our words
    said     TEXT NOT NULL,             -- in theirs: it may be patient data
    at       BIGINT NOT NULL,
    rejected BIGINT NOT NULL,           -- 1 where the code refuses
    seal     TEXT NOT NULL,
    action   BIGINT,                    -- what closed it; none while it waits
    PRIMARY KEY (control, endpoint)
) WITHOUT ROWID;

CREATE INDEX answer_rejected ON answer (batch, control) WHERE rejected = 1 AND action IS NULL;
CREATE INDEX answer_closed ON answer (batch) WHERE rejected = 1 AND action IS NOT NULL;

-- A response file that was read; the same bytes are read once.
CREATE TABLE response (
    digest   TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    accepted BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    seal     TEXT NOT NULL
);

-- A look for response files that failed, until one goes through.
CREATE TABLE look (
    endpoint        TEXT PRIMARY KEY,
    failures        BIGINT NOT NULL,    -- one after the other
    failure         TEXT NOT NULL,
    failure_stopped BIGINT NOT NULL,
    again_at        BIGINT,
    failure_at      BIGINT NOT NULL,
    seal            TEXT NOT NULL
);

-- A dropped file that was read, and what became of its rows.
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
    left_at   BIGINT,                   -- when its messages left: only faults wait still
    seal      TEXT NOT NULL,
    UNIQUE (digest, inode)
);

-- Finds the extracts of a drop, and the drop of a batch.
CREATE INDEX extract_drop ON extract (drop_id, id);
CREATE INDEX extract_batch ON extract (batch) WHERE batch IS NOT NULL;
CREATE INDEX extract_left ON extract (drop_id, id) WHERE left_at IS NOT NULL;

-- Bytes that were taken in once, after their extract left: they tell nothing new.
CREATE TABLE seen (
    digest TEXT PRIMARY KEY,
    at     BIGINT NOT NULL,             -- when they were taken in last
    seal   TEXT NOT NULL
) WITHOUT ROWID;

-- Finds the batch of a control ID.
CREATE INDEX batch_control ON batch (first_control);

-- A record that waits for somebody. Written while its extract is read, which
-- gets its own row last: hence no foreign key; the integrity check looks.
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

-- Both grow at their ends, so they cost little while a drop is read.
CREATE INDEX fault_record ON fault (extract, record);
CREATE INDEX fault_state ON fault (state, id);

-- Finds the few that wait among all that did.
CREATE INDEX fault_open ON fault (id) WHERE action IS NULL;

-- What people decided, in order and without gaps. `before` is the seal of the row
-- before: none can be changed, put in or taken out without all that follow.
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

-- Where the chain of actions begins, once its oldest part left: the number of the last one
-- that did, and its seal, which the first one that stays has as `before`. One row at most;
-- the action that let them go says the same.
CREATE TABLE anchor (
    id   INTEGER PRIMARY KEY,
    link TEXT NOT NULL,
    seal TEXT NOT NULL
);

-- Backfills that were released: how far each is, as JSON (ledger/backfills.rs). The row
-- moves with the drops that are its slices.
CREATE TABLE backfill (
    id    INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    seal  TEXT NOT NULL
);

-- The register: where in `ledger.register` the entry of a record begins. The entry
-- has its ID and seals of its own, so a wrong place is seen when it is read. The
-- counter `register` says how many bytes of that file count.
--
-- External IDs of both kinds stand here too, `id` the digest of category and value in
-- hexadecimal: there begins the entry that had it last. Whose it is says that entry; if
-- the newest one of the same record has it no more, it is nobody's.
CREATE TABLE register (
    kind  TEXT NOT NULL,                -- P patient, A appointment; p, a: an external ID
    id    TEXT NOT NULL,
    place BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;                        -- half the size and the time: rows are tiny

-- Where the register's log ended when an extract with faults did: what is behind it was told
-- later than the records that wait.
CREATE TABLE register_end (
    extract INTEGER PRIMARY KEY,
    place   BIGINT NOT NULL,
    seal    TEXT NOT NULL
);

-- Columns whose values entries keep, by their canonical names, blanks between.
CREATE TABLE register_columns (
    id    INTEGER PRIMARY KEY,
    names TEXT NOT NULL,
    seal  TEXT NOT NULL
);
