-- Meters that somebody entered by hand. Like messages and corrections they are the truth:
-- append-only, each in its site's ledger. An entry may name one that it replaces, and each is
-- replaced once; without meters it only takes that one back. Whose it is, evidence says, as of
-- a read.

create table entered_meter (
    site_id bigint not null references site,
    id uuid not null,
    ledger_no bigint not null,
    replaces uuid,
    read_at timestamptz not null,
    entered_at timestamptz not null,
    author text not null,
    reason text not null,
    names text[] not null,
    amounts bigint[] not null,
    units text[] not null,
    body bytea not null,               -- shared.store.entered.EnteredMeter
    digest bytea not null,             -- SHA-256 of body, as the ledger has it
    primary key (site_id, id),
    unique (site_id, replaces)
);

create trigger entered_append_only before update or delete on entered_meter
    for each row execute function refuse_change();
create trigger entered_no_truncate before truncate on entered_meter
    for each statement execute function refuse_change();

-- a read, or an entry in force, with whose it is and its meters in three arrays of one order
-- (null: it has none)
create or replace view placed_read as
    select r.*, s.name as site, s.customer_id, e.device_id, e.held_because,
        m.names, m.amounts, m.units, null::text as entered_by
    from read r
    join site s on s.id = r.site_id
    join evidence e on e.site_id = r.site_id and e.read_id = r.id
    left join lateral (
        select array_agg(name) as names, array_agg(value) as amounts, array_agg(unit) as units
        from meter where site_id = r.site_id and read_id = r.id
    ) m on true
    union all
    select h.site_id, h.id, h.id, h.id, h.read_at, h.entered_at, 'hub', 'entered', 'entered@1',
        null, null, null, null, null, null, null, null, null,
        null, null, null, null, null, null,
        s.name, s.customer_id, e.device_id, e.held_because,
        h.names, h.amounts, h.units, h.author
    from entered_meter h
    join site s on s.id = h.site_id
    join evidence e on e.site_id = h.site_id and e.read_id = h.id
    where cardinality(h.names) > 0 and not exists (
        select from entered_meter later
        where later.site_id = h.site_id and later.replaces = h.id
    );
