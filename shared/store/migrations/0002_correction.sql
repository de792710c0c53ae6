-- Corrections: a read's meters made anew, by another profile, from the varbinds that it kept. Like
-- messages they are the truth: append-only, each in its site's ledger. One names what it replaces,
-- the read or the correction before it, and each is replaced once: a chain, whose last is in force.

create table correction (
    site_id bigint not null references site,
    id uuid not null,
    ledger_no bigint not null,
    read_id uuid not null,
    replaces uuid not null,
    profile text not null,
    author text not null,
    reason text not null,
    corrected_at timestamptz not null,
    body bytea not null,               -- shared.store.corrections.Correction
    digest bytea not null,             -- SHA-256 of body, as the ledger has it
    primary key (site_id, id),
    unique (site_id, replaces)
);
create index correction_read on correction (site_id, read_id);

create trigger correction_append_only before update or delete on correction
    for each row execute function refuse_change();
create trigger correction_no_truncate before truncate on correction
    for each statement execute function refuse_change();

-- derived: of a read that was corrected its row and its meters say what is in force
alter table read add column correction_id uuid, add column corrected_at timestamptz;
create index read_corrected on read (site_id, corrected_at) where corrected_at is not null;

drop view placed_read;
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
