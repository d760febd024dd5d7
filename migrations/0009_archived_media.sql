-- The images that posts of an archive have, while and after its import looks for their files: what became of each is written in
-- the transaction that does it, so that an import which begins again goes on, and counts everything once.
create table archived_media (
    job_id   bigint   not null references jobs on delete cascade,
    name     text     not null, -- of the file in the archive: each is one image
    post_id  bigint   not null references posts on delete cascade,
    position smallint not null, -- among the post's, from 1
    alt      text,
    outcome  text, -- null: not found yet; IMPORTED, or why not
    primary key (job_id, name)
);
create index archived_media_by_post on archived_media (post_id);
