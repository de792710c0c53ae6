-- A key may end by itself, and is told by its number; the key itself is kept nowhere.

alter table site_key
    add column label text not null default '',
    add column ends_at timestamptz,
    add column last_used_at timestamptz, -- to a minute
    add column refused_at timestamptz, -- last tried after it had ended or was revoked
    add column refused bigint not null default 0; -- how often that was
