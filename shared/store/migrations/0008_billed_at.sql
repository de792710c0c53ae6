-- When a read was taken by the hub's clock: what decides which period it is of. taken_at stays what
-- the site's clock said; a message keeps how far that clock was off.
alter table message add column clock_offset_s double precision not null default 0;
alter table read add column billed_at timestamptz;
update read set billed_at = taken_at;
alter table read alter column billed_at set not null;
create index read_billed on read (site_id, billed_at);

-- a read, or an entry in force, with whose it is and its meters in three arrays of one order
-- (null: it has none); received_at is when it could first be billed
create or replace view placed_read as
    select r.site_id, r.id, r.order_id, r.round_id, r.taken_at,
        greatest(r.received_at, e.given_at) as received_at, r.agent, r.target, r.profile,
        r.make, r.model, r.serial, r.mac, r.hostname, r.address,
        r.asset_tag, r.location, r.firmware,
        r.basis, r.large_counts, r.no_meters_because, r.sources_id, r.correction_id, r.corrected_at,
        s.name as site, s.customer_id, e.device_id, e.held_because,
        m.names, m.amounts, m.units, null::text as entered_by, r.billed_at
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
        h.names, h.amounts, h.units, h.author, h.read_at
    from entered_meter h
    join site s on s.id = h.site_id
    join evidence e on e.site_id = h.site_id and e.read_id = h.id
    where cardinality(h.names) > 0 and not exists (
        select from entered_meter later
        where later.site_id = h.site_id and later.replaces = h.id
    );
