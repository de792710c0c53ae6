-- What a device that is known by its serial number showed beside it, last: a read that lacks the
-- serial may be its own.

alter table device add column mac text, add column model text;

update device d set mac = last.mac, model = last.model
from (
    select distinct on (e.device_id) e.device_id, r.mac, r.model
    from evidence e
    join read r on r.site_id = e.site_id and r.id = e.read_id
    where r.mac is not null
    order by e.device_id, r.taken_at desc
) last
where last.device_id = d.id and d.key like 'serial %';

create index device_mac on device (customer_id, mac) where mac is not null;
