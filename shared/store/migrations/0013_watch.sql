-- Who is expected by when. The reporter keeps it for sites and services; of the reporter itself
-- the others tell, by its heartbeat.
create table heartbeat (
    service text primary key,
    seen_at timestamptz not null,
    every_s double precision not null,
    problem text
);

create table expected (
    subject text not null,             -- 'hub', or 'site NAME'
    part text not null,
    last_at timestamptz,               -- when it was last as it should be
    expected_by timestamptz not null,
    cause text not null,               -- what it probably is, if it is late
    looked_at timestamptz not null,
    late_since timestamptz,            -- begin of the time in which it was late, with short pauses
    on_time_since timestamptz,
    told text[] not null default '{}', -- which addresses have a mail of it
    primary key (subject, part)
);
