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

-- What is written of each message refers to its site without a foreign key, of which each row would
-- be checked singly: site_head does, and its row is locked whenever one is written. Evidence names
-- devices that an assignment refers to.
alter table message drop constraint message_site_id_fkey;
alter table outcome drop constraint outcome_site_id_fkey;
alter table read drop constraint read_site_id_fkey;
alter table evidence drop constraint evidence_device_id_fkey;

-- A body is packed only where a page does not hold it: of packing the usual ones, PostgreSQL's time
-- for a message was more than half.
create or replace function message_month(at timestamptz) returns void language plpgsql as $$
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
            execute format('create table %I partition of message for values from (%L) to (%L)'
                ' with (toast_tuple_target = 8160)', part, first, after);
            execute format('create trigger message_no_truncate before truncate on %I'
                ' for each statement execute function refuse_change()', part);
        end if;
    exception when lock_not_available or check_violation then
        null;
    end;
    perform set_config('lock_timeout', patience, true);
end $$;
do $$
declare part regclass;
begin
    for part in select inhrelid from pg_inherits where inhparent = 'message'::regclass loop
        execute format('alter table %s set (toast_tuple_target = 8160)', part);
    end loop;
end $$;
