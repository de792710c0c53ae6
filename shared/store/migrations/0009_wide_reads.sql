-- A read's meters stand in its own row, as three arrays of one order (null: it has none): a row a
-- meter cost more than all else that a read takes. Its supplies stay in its message.
alter table read add column names text[], add column amounts bigint[], add column units text[];
update read r set names = m.names, amounts = m.amounts, units = m.units
from (
    select site_id, read_id, array_agg(name order by name) as names,
        array_agg(value order by name) as amounts, array_agg(unit order by name) as units
    from meter group by site_id, read_id
) m
where r.site_id = m.site_id and r.id = m.read_id;
alter table read add constraint read_meters check (
    num_nonnulls(names, amounts, units) = 0
    or coalesce(
        cardinality(names) > 0 and cardinality(amounts) = cardinality(names)
            and cardinality(units) = cardinality(names) and 0 <= all (amounts),
        false)
);

-- a read, or an entry in force, with whose it is and its meters in three arrays of one order
-- (null: it has none); received_at is when it could first be billed
create or replace view placed_read as
    select r.site_id, r.id, r.order_id, r.round_id, r.taken_at,
        greatest(r.received_at, e.given_at) as received_at, r.agent, r.target, r.profile,
        r.make, r.model, r.serial, r.mac, r.hostname, r.address,
        r.asset_tag, r.location, r.firmware,
        r.basis, r.large_counts, r.no_meters_because, r.sources_id, r.correction_id, r.corrected_at,
        s.name as site, s.customer_id, e.device_id, e.held_because,
        r.names, r.amounts, r.units, null::text as entered_by, r.billed_at
    from read r
    join site s on s.id = r.site_id
    join evidence e on e.site_id = r.site_id and e.read_id = r.id
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

drop table meter, supply;
create view meter as
    select r.site_id, r.id as read_id, m.name, m.value, m.unit
    from read r cross join lateral unnest(r.names, r.amounts, r.units) as m (name, value, unit);
