-- What people decided of devices whose reads were held: append-only, with who and why.
create table decision (
    id bigint generated always as identity primary key,
    device_id bigint not null references device,
    held_as text,
    held_because text not null,
    site_id bigint not null references site,
    author text not null,
    reason text not null,
    decided_at timestamptz not null default now()
);

create trigger decision_append_only before update or delete on decision
    for each row execute function refuse_change();
create trigger decision_no_truncate before truncate on decision
    for each statement execute function refuse_change();
