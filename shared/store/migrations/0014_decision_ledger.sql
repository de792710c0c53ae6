-- A decision stands in the ledger of the site that the device was of. Those from before are not:
-- null.
alter table decision
    add column ledger_site_id bigint references site,
    add column ledger_no bigint,
    add column body bytea,             -- what was decided, as JSON
    add column digest bytea,           -- SHA-256 of body, as the ledger has it
    add unique (ledger_site_id, ledger_no);
