-- Who a device is and where it stood: what a round names besides, what devices showed and when,
-- and what that makes of them. Derived from messages but for the last columns of device.

alter table round_name drop constraint round_name_kind_check,
    add constraint round_name_kind_check
        check (kind in ('order', 'silent', 'not_reached', 'no_credential')),
    add column silent_rounds bigint;   -- of one that is silent: how many it was, one after another

-- from how many rounds on a site's scope wants silence told; 3 where it says nothing of it
create function silent_after(site bigint) returns bigint language sql stable as $$
    select coalesce((
        select (convert_from(body, 'UTF8')::jsonb ->> 'silent_after')::bigint
        from scope where site_id = site order by version desc limit 1
    ), 3)
$$;

-- what a site says of devices that are not where, or not what, they were
create table round_event (
    site_id bigint not null,
    round_id uuid not null,
    part integer not null,
    position integer not null,
    at timestamptz not null,           -- when the round was finished
    kind text not null,
    target text not null,
    target_before text,
    serial text,
    serial_before text,
    mac text,
    primary key (site_id, round_id, part, position)
);
create index round_event_at on round_event (site_id, at);

-- Where a device was asked, and which MAC address it showed: each from its first read until it
-- was read with another. `kind` is mac, or the first word of the target.
create table device_stay (
    device_id bigint not null references device,
    site_id bigint not null references site,
    kind text not null,
    value text not null,
    model text,                        -- what the device called itself then
    first_at timestamptz not null,
    first_round uuid not null,
    last_at timestamptz,               -- null: it is so still, and no read of it need write here
    last_round uuid,
    instead_of text                    -- the value it had before, and has no more
);
create index device_stay_device on device_stay (device_id);
create index device_stay_value on device_stay (site_id, kind, value);
create index device_stay_changed on device_stay (site_id, first_at) where instead_of is not null;

create view device_stay_seen as
    select s.device_id, s.site_id, s.kind, s.value, s.model, s.first_at, s.first_round,
        coalesce(s.last_at, last.taken_at, s.first_at) as last_at,
        coalesce(s.last_round, last.round_id, s.first_round) as last_round
    from device_stay s
    left join lateral (
        select r.taken_at, r.round_id
        from evidence e join read r on r.site_id = e.site_id and r.id = e.read_id
        where e.device_id = s.device_id and e.site_id = s.site_id
            and case s.kind when 'mac' then r.mac is not null else r.target = s.value end
        order by r.taken_at desc, r.round_id desc limit 1
    ) last on s.last_at is null;

-- whole stays; `pagetally admin rebuild` tells apart those in between
insert into device_stay
select e.device_id, r.site_id, shown.kind, shown.value,
    (array_agg(r.model order by r.taken_at))[1], min(r.taken_at),
    (array_agg(r.round_id order by r.taken_at))[1], null, null, null
from evidence e
join read r on r.site_id = e.site_id and r.id = e.read_id
cross join lateral (
    values (split_part(r.target, ':', 1), r.target), ('mac', lower(r.mac))
) as shown (kind, value)
where e.device_id is not null and shown.value is not null and length(shown.value) <= 256
group by e.device_id, r.site_id, shown.kind, shown.value;

drop index device_mac;
alter table device drop column mac, drop column model,
    -- why its reads wait for a person, since which read, and whose board it may have
    add column held_as text check (held_as in ('twins', 'another_site', 'board_replaced')),
    add column held_at timestamptz,
    add column instead_of bigint references device;
update device set held_at = first_read_at,
    held_as = case when held_because like '%another site%' then 'another_site' else 'twins' end
where held_because is not null;
create index device_instead_of on device (instead_of) where instead_of is not null;

-- what the hub saw itself, and what sites say they saw
create view device_event as
    select s.site_id, s.first_at as at, 'hub' as said_by,
        case s.kind when 'mac' then 'another_mac' else 'moved' end as kind,
        d.key as device, null as device_before,
        case when s.kind <> 'mac' then s.value end as target,
        case when s.kind <> 'mac' then s.instead_of end as target_before,
        case when s.kind = 'mac' then s.value end as mac, null as note
    from device_stay s join device d on d.id = s.device_id
    where s.instead_of is not null
    union all
    select s.site_id, s.first_at, 'hub', 'another_device', d.key, other.key, s.value, null, null, null
    from device_stay s join device d on d.id = s.device_id
    cross join lateral (
        select o.device_id from device_stay o
        where o.site_id = s.site_id and o.kind = s.kind and o.value = s.value
            and o.device_id <> s.device_id and o.first_at < s.first_at
        order by o.first_at desc, o.device_id limit 1
    ) earlier
    join device other on other.id = earlier.device_id
    where s.kind <> 'mac'
    union all
    select a.site_id, d.held_at, 'hub', d.held_as, d.key, other.key, null, null, null, d.held_because
    from device d join assignment a on a.device_id = d.id and a.to_at = 'infinity'
    left join device other on other.id = d.instead_of
    where d.held_because is not null
    union all
    select site_id, at, 'site', kind, serial, serial_before, target, target_before, mac, null
    from round_event;
