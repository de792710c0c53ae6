-- What a site's clock showed at its contacts: a read is billed by the hub's clock. Append-only, for
-- what was billed goes by it; a contact that shows nothing new is kept once an hour.
create table clock_sample (
    site_id bigint not null references site,
    spool uuid not null,
    sent_at timestamptz not null,      -- by the site's clock
    arrived_at timestamptz not null,   -- by the hub's
    last bigint not null,              -- the highest number that the spool had given by then
    offset_s double precision generated always as (extract(epoch from arrived_at - sent_at)) stored,
    primary key (site_id, spool, arrived_at)
);
create index clock_sample_arrived on clock_sample (site_id, arrived_at);

create trigger clock_sample_append_only before update or delete on clock_sample
    for each row execute function refuse_change();
create trigger clock_sample_no_truncate before truncate on clock_sample
    for each statement execute function refuse_change();

-- rows are looked for by billed_at alone
drop index read_taken;

create or replace view order_outcome as
    select site_id, order_id, round_id, 'read' as outcome, target, null as reason, billed_at as at
    from read
    union all
    select f.site_id, f.order_id, f.round_id, 'failed', f.target, f.reason, f.failed_at
    from read_failed f
    where not exists (select from read r where r.site_id = f.site_id and r.order_id = f.order_id);

create or replace view device_stay_seen as
    select s.device_id, s.site_id, s.kind, s.value, s.model, s.first_at, s.first_round,
        coalesce(s.last_at, last.billed_at, s.first_at) as last_at,
        coalesce(s.last_round, last.round_id, s.first_round) as last_round
    from device_stay s
    left join lateral (
        select r.billed_at, r.round_id
        from evidence e join read r on r.site_id = e.site_id and r.id = e.read_id
        where e.device_id = s.device_id and e.site_id = s.site_id
            and case s.kind when 'mac' then r.mac is not null else r.target = s.value end
        order by r.billed_at desc, r.taken_at desc, r.round_id desc limit 1
    ) last on s.last_at is null;
