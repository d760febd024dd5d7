-- Posts that came with an archive, by the name that they had at their source: importing them again makes no second ones. A row
-- stays when its post is deleted, so that a later import does not bring back what its author took away: hence no foreign key.
create table imported_posts (
    user_id   bigint not null references users on delete cascade,
    source_id text   not null,
    post_id   bigint not null,
    job_id    bigint not null, -- the import that wrote it: a later attempt of the same job finds its own posts
    primary key (user_id, source_id)
);

-- An id for a post that was written elsewhere, at its own time, so that lists by id show it where it belongs. The shard 1 keeps it
-- apart from ids made here. Ids begin in 2020: the years before are laid into the first days of it, a second in a millisecond.
create function imported_id(written_at timestamptz) returns bigint language sql volatile as $$
    select (case
        when written_at >= timestamptz '2020-01-01T00:00:00Z'
            then (extract(epoch from written_at) * 1000)::bigint - 1577836800000
        else greatest(extract(epoch from written_at)::bigint - 946684800, 0) -- seconds since 2000: at most 631,152,000
    end) << 22 | (1 << 12) | (nextval('id_sequence') & 4095)
$$;
