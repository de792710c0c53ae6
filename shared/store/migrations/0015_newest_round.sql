-- The watch asks for each site's newest round every minute.
create index round_course_first on round_course (site_id, first_at);
