-- a site's newest list of segments is found among millions of reads
create index message_segments on message (site_id, ledger_no)
    where type = 'segments.listed.v1';
