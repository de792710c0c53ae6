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
    address     TEXT NOT NULL,               -- or a printer's URI
    port        INTEGER NOT NULL,            -- 0: read by IPP
    outcome     TEXT NOT NULL,               -- printing, not_a_printer, answered
    found_by    TEXT NOT NULL,
    credential  TEXT NOT NULL,
    version     INTEGER NOT NULL,
    reason      TEXT NOT NULL,
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
    target           TEXT PRIMARY KEY,       -- its key
    address          TEXT NOT NULL,
    port             INTEGER NOT NULL,
    credential       TEXT NOT NULL,
    version          INTEGER NOT NULL,
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
