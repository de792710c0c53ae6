-- The hub's tables. Messages are the truth; what the second half holds is derived from them
-- and can be rebuilt (pagetally admin rebuild).

create table customer (
    id bigint generated always as identity primary key,
    name text not null unique check (length(name) between 1 and 200),
    time_zone text not null default 'UTC',
    created_at timestamptz not null default now()
);

create table site (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customer,
    name text not null unique check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
    created_at timestamptz not null default now()
);

-- a key is shown once; only its SHA-256 is kept
create table site_key (
    id bigint generated always as identity primary key,
    site_id bigint not null references site,
    digest bytea not null unique,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);

create table scope (
    site_id bigint not null references site,
    version bigint not null,
    author text not null,
    changed_at timestamptz not null,
    body bytea not null,
    primary key (site_id, version)
);

-- the ledger's head: head = SHA-256(previous head || digest of the message), in commit order
create table site_head (
    site_id bigint primary key references site,
    length bigint not null default 0,
    head bytea not null default '\x'
);

-- which numbers of a spool the hub has answered; a gap is one below first_unsent that is not here
create table spool (
    site_id bigint not null references site,
    id uuid not null,
    numbers int8multirange not null default '{}',
    first_unsent bigint not null default 1,
    last bigint not null default 0,
    clock_offset_s double precision,
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    primary key (site_id, id)
);

create table message (
    site_id bigint not null references site,
    ledger_no bigint not null,
    id uuid not null,
    spool uuid not null,
    n bigint not null,
    type text not null,
    order_id uuid,
    round_id uuid not null,
    taken_at timestamptz,
    received_at timestamptz not null,
    body bytea not null,
    digest bytea not null,
    primary key (site_id, ledger_no, received_at)
) partition by range (received_at);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'table % is append-only', tg_table_name;
end $$;

create trigger message_append_only before update or delete on message
    for each row execute function refuse_change();
create trigger message_no_truncate before truncate on message
    for each statement execute function refuse_change();

create table message_other partition of message default;
create trigger message_no_truncate before truncate on message_other
    for each statement execute function refuse_change();

-- Makes the partition of the month that `at` is in; partitions inherit row triggers only. Where
-- a long reader (a backup) is in the way, or rows of that month are in message_other already,
-- nothing is made: rows go to, or stay in, message_other.
create function message_month(at timestamptz) returns void language plpgsql as $$
declare
    first timestamptz := date_trunc('month', at at time zone 'UTC') at time zone 'UTC';
    after timestamptz := (date_trunc('month', at at time zone 'UTC') + interval '1 month') at time zone 'UTC';
    part text := 'message_' || to_char(first at time zone 'UTC', 'YYYY_MM');
    patience text := current_setting('lock_timeout');
begin
    if to_regclass(part) is not null then
        return;
    end if;
    perform set_config('lock_timeout', '300ms', true);
    begin
        perform pg_advisory_xact_lock(hashtext('message_month'));
        if to_regclass(part) is null then
            execute format('create table %I partition of message for values from (%L) to (%L)', part, first, after);
            execute format('create trigger message_no_truncate before truncate on %I'
                ' for each statement execute function refuse_change()', part);
        end if;
    exception when lock_not_available or check_violation then
        null;
    end;
    perform set_config('lock_timeout', patience, true);
end $$;

-- idempotency: one row an id that the hub has committed
create table outcome (
    site_id bigint not null references site,
    id uuid not null,
    type text not null,
    order_id uuid,
    digest bytea not null,
    ledger_no bigint not null,
    received_at timestamptz not null,
    repeats bigint not null default 0,
    primary key (site_id, id)
);

-- an id that came again with another body: the first stands, the other is kept and shown
create table conflicting (
    site_id bigint not null references site,
    id uuid not null,
    digest bytea not null,
    body bytea not null,
    times bigint not null default 1,
    first_at timestamptz not null,
    primary key (site_id, id, digest)
);

create table rejected (
    site_id bigint not null references site,
    spool uuid not null,
    n bigint not null,
    digest bytea not null,
    type text,
    reason text not null,
    body bytea not null,
    received_at timestamptz not null,
    primary key (site_id, spool, n, digest)
);

create table recipient (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customer,
    address text not null,
    unique (customer_id, address)
);

-- when a customer's report is made; the period is the whole calendar month before
create table schedule (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customer,
    cron text not null,
    created_at timestamptz not null default now(),
    unique (customer_id, cron)
);

create table report (
    id uuid primary key,
    customer_id bigint not null references customer,
    occasion text not null,            -- what asked for it; one report an occasion
    period_from timestamptz not null,
    period_to timestamptz not null,
    time_zone text not null,
    made_at timestamptz not null,
    message_id text not null unique,
    file_name text not null,
    workbook bytea not null,
    mail bytea not null,               -- as it is handed over, byte for byte
    unique (customer_id, occasion)
);
create index report_customer on report (customer_id, made_at);

create table delivery (
    report_id uuid not null references report,
    recipient text not null,
    state text not null default 'waiting'
        check (state in ('waiting', 'sending', 'sent', 'filed', 'refused')),
    possibly_twice boolean not null default false,
    attempts integer not null default 0,
    reason text,
    changed_at timestamptz not null default now(),
    next_try_at timestamptz not null default now(),
    primary key (report_id, recipient)
);
create index delivery_due on delivery (next_try_at) where state in ('waiting', 'sending');

-- ---- derived from messages -------------------------------------------------------------------

create table read (
    site_id bigint not null references site,
    id uuid not null,
    order_id uuid not null,
    round_id uuid not null,
    taken_at timestamptz not null,
    received_at timestamptz not null,
    agent text not null,
    target text not null,
    profile text not null,
    make text, model text, serial text, mac text, hostname text, address text,
    asset_tag text, location text, firmware text,
    basis text,
    large_counts smallint,
    no_meters_because text,
    sources_id uuid,    -- the same for reads whose meters came from the same rows of the device
    primary key (site_id, id),
    unique (site_id, order_id)
);
create index read_round on read (site_id, round_id);
create index read_taken on read (site_id, taken_at);

-- no foreign key to read: both are written in one transaction, and checking each of a read's
-- rows took four times as long as writing them
create table meter (
    site_id bigint not null,
    read_id uuid not null,
    name text not null,
    value bigint not null check (value >= 0),
    unit text not null,
    primary key (site_id, read_id, name)
);

create table supply (
    site_id bigint not null,
    read_id uuid not null,
    position integer not null,
    description text, type text, colorant text,
    level_percent double precision,
    level bigint, max_capacity bigint, unit text, state text,
    primary key (site_id, read_id, position)
);

create table read_failed (
    site_id bigint not null references site,
    id uuid not null,
    order_id uuid not null,
    round_id uuid not null,
    target text not null,
    failed_at timestamptz not null,
    received_at timestamptz not null,
    outcome text not null,
    reason text not null,
    primary key (site_id, id),
    unique (site_id, order_id)
);
create index read_failed_round on read_failed (site_id, round_id);

-- each order's one outcome: a read outranks a failure, whichever came first
create view order_outcome as
    select site_id, order_id, round_id, 'read' as outcome, target, null as reason, taken_at as at
    from read
    union all
    select f.site_id, f.order_id, f.round_id, 'failed', f.target, f.reason, f.failed_at
    from read_failed f
    where not exists (select from read r where r.site_id = f.site_id and r.order_id = f.order_id);

create table round (
    site_id bigint not null references site,
    id uuid not null,
    kind text not null,
    agent text not null,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    interrupted boolean not null,
    parts integer not null,
    asked bigint not null, answered bigint not null, not_printers bigint not null,
    packets bigint not null, bytes bigint not null,
    primary key (site_id, id)
);

-- the names that a round's parts hold: kind is order, silent or not_reached
create table round_name (
    site_id bigint not null,
    round_id uuid not null,
    part integer not null,
    kind text not null check (kind in ('order', 'silent', 'not_reached')),
    position integer not null,
    target text not null,
    order_id uuid,
    note text,
    primary key (site_id, round_id, part, kind, position)
);

-- ---- whose read it is: beside the read, so that no merge or move touches one ------------------

create table device (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customer,
    key text not null,                 -- 'serial MAKER SERIAL', or 'mac SITE aa:bb:…' without one
    first_read_at timestamptz not null,
    held_because text,                 -- two live devices show this key: its reads wait for a person
    -- of one that is known by its serial, what it showed beside it last: a read that lacks the
    -- serial may be its own
    mac text,
    model text,
    unique (customer_id, key)
);
create index device_mac on device (customer_id, mac) where mac is not null;

create table evidence (
    site_id bigint not null,
    read_id uuid not null,
    device_id bigint references device,
    held_because text,                 -- why the read is no device's yet
    primary key (site_id, read_id),
    check ((device_id is null) = (held_because is not null))
);
create index evidence_device on evidence (device_id);

create table assignment (
    device_id bigint not null references device,
    site_id bigint not null references site,
    from_at timestamptz not null default '-infinity',
    to_at timestamptz not null default 'infinity',
    primary key (device_id, from_at)
);

-- a read with whose it is and its meters in three arrays of one order (null: it has none)
create view placed_read as
    select r.*, s.name as site, s.customer_id, e.device_id, e.held_because,
        m.names, m.amounts, m.units
    from read r
    join site s on s.id = r.site_id
    join evidence e on e.site_id = r.site_id and e.read_id = r.id
    left join lateral (
        select array_agg(name) as names, array_agg(value) as amounts, array_agg(unit) as units
        from meter where site_id = r.site_id and read_id = r.id
    ) m on true;

select message_month(now());
select message_month(now() + interval '1 month');
