-- The roster of one agent: rounds that are open, what answered, and the devices it knows.

CREATE TABLE IF NOT EXISTS round (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,               -- search or read
    ask         TEXT,                        -- who asked for it, where a person did
    wish        TEXT NOT NULL,               -- what is asked, as it was when the round began
    started_at  TEXT NOT NULL,
    deadline    TEXT NOT NULL,
    state       TEXT NOT NULL DEFAULT 'open',  -- open, closing (its bodies stand), finished
    packets     INTEGER NOT NULL DEFAULT 0,
    bytes       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS answer (
    round       TEXT NOT NULL REFERENCES round ON DELETE CASCADE,
    target      TEXT NOT NULL,               -- its key
    body        TEXT NOT NULL,               -- the target as in a message
    outcome     TEXT NOT NULL,               -- printing, not_a_printer, answered, no_credential
    found_by    TEXT NOT NULL,
    credential  TEXT NOT NULL,
    version     INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    answered_at TEXT NOT NULL,
    maker       TEXT NOT NULL DEFAULT '',    -- the number or name that its serial number is of
    serial      TEXT,                        -- as it is compared, NULL where none is to rely on
    mac         TEXT,
    tried       TEXT NOT NULL DEFAULT '[]',  -- credentials, by name
    manner      TEXT,                        -- how it is to be asked, as in a message
    spooled     TEXT,                        -- what its computer says of it, as in a message
    given       INTEGER NOT NULL DEFAULT 0,  -- how often its order was given and not finished
    published   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (round, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS body (
    round       TEXT NOT NULL REFERENCES round ON DELETE CASCADE,
    part        INTEGER NOT NULL,
    body        BLOB NOT NULL,
    published   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (round, part)
) STRICT;

CREATE TABLE IF NOT EXISTS known (
    id               INTEGER PRIMARY KEY,    -- two may be known at one target
    body             TEXT NOT NULL,          -- the target as in a message
    credential       TEXT NOT NULL,
    version          INTEGER NOT NULL,
    maker            TEXT NOT NULL DEFAULT '',
    serial           TEXT,
    mac              TEXT,
    shared           TEXT NOT NULL DEFAULT '',  -- of serial and mac, what two have shown at once
    last_answered_at TEXT NOT NULL,
    silent_rounds    INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS scope (
    only        INTEGER PRIMARY KEY CHECK (only = 1),
    version     INTEGER NOT NULL,
    body        BLOB NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS served (
    kind        TEXT PRIMARY KEY,            -- search or read
    instant     TEXT NOT NULL                -- the schedule's newest instant that was served
) STRICT;

CREATE TABLE IF NOT EXISTS ask_done (
    id          TEXT PRIMARY KEY,
    done_at     TEXT NOT NULL
) STRICT;
