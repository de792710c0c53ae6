-- What a site said of its spools and the hub saw of them, what was set aside, and how far each
-- round is.
alter table spool
    add column before uuid,            -- the one it follows: as it said, else the last that was heard
    add column why text check (why in ('new', 'lost', 'restored', 'reused')),  -- null: not said
    add column declared_at timestamptz,
    add column carried int8multirange not null default '{}',  -- numbers of `before` that wait in it
    add column ended_at timestamptz,   -- since when another is heard in its place
    add column turns bigint not null default 0,     -- how often it was heard again after another
    add column turned_at timestamptz,
    add column reused bigint not null default 0,    -- messages under a number that another had
    add column reused_at timestamptz,
    add column not_kept bigint not null default 0,  -- set aside when too many were kept already
    add column told_at timestamptz,    -- when the batch arrived that told clock_offset_s and status
    add column status text;            -- JSON: how the site was

create sequence aside_no;
alter table rejected
    add column no bigint not null unique default nextval('aside_no'),
    add column order_id uuid,          -- as far as the body could be read
    add column settled_at timestamptz, -- when the same bytes were accepted; they are in the message
    add column settled_by uuid;        -- its id
alter table conflicting add column no bigint not null unique default nextval('aside_no');
create index rejected_open on rejected (site_id, digest) where settled_at is null;
create index rejected_order on rejected (site_id, order_id)
    where settled_at is null and order_id is not null;

-- why an order that is open may stay so: its outcome was set aside
create view order_aside as
    select distinct on (site_id, order_id) site_id, order_id,
        'set aside at the hub (no. ' || no || '): ' || reason as reason
    from rejected where settled_at is null and order_id is not null
    order by site_id, order_id, no;

-- derived: how far a round is; one without `parts` has no RoundFinished yet
create table round_course (
    site_id bigint not null references site,
    id uuid not null,
    first_at timestamptz not null,     -- the earliest that is known of it, by the hub's clock
    parts integer,
    parts_came bigint not null,
    named bigint not null,             -- orders in those parts
    came bigint not null,              -- reads and failures
    closed boolean not null default false,
    primary key (site_id, id)
);
create index round_course_open on round_course (site_id, first_at) where not closed;

insert into round_course
select site_id, id, min(first_at), max(parts), max(parts_came), max(named), sum(came), false
from (
    select site_id, round_id as id, min(billed_at) as first_at, null::integer as parts,
        0 as parts_came, 0 as named, count(*) as came
    from read group by site_id, round_id
    union all
    select site_id, round_id, min(failed_at), null, 0, 0, count(*)
    from read_failed group by site_id, round_id
    union all
    select r.site_id, r.id, r.started_at, r.parts,
        -- a part without names left no row; a round of one part has that one
        greatest(count(distinct n.part), (r.parts = 1)::integer),
        count(*) filter (where n.kind = 'order'), 0
    from round r left join round_name n on n.site_id = r.site_id and n.round_id = r.id
    group by r.site_id, r.id
) known
group by site_id, id;
update round_course c set closed = true
where parts_came >= parts and not exists (
    select from round_name n
    where n.site_id = c.site_id and n.round_id = c.id and n.kind = 'order' and not exists (
        select from order_outcome o where o.site_id = n.site_id and o.order_id = n.order_id
    )
);
