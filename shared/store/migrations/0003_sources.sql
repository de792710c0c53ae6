-- Two reads whose meters came from the same rows of the device have the same sources_id.

alter table read add column sources_id uuid;

drop view placed_read;

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
