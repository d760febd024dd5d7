-- Images. Each waits for a post of its owner's (post_id null) for some time, and then belongs to it for good: the file and its
-- thumbnail are blobs that nothing else refers to. The addresses are columns, so that plans read them like any other.
create table media (
    id            bigint      primary key default next_id(),
    owner_id      bigint      not null references users on delete cascade,
    post_id       bigint      references posts on delete cascade,
    position      smallint, -- among the post's, from 1
    alt           text,
    media_type    text        not null,
    width         integer     not null check (width > 0),
    height        integer     not null check (height > 0),
    size          integer     not null check (size > 0), -- bytes of the file
    file_id       bigint      not null references blobs on delete cascade,
    thumbnail_id  bigint      not null references blobs on delete cascade,
    url           text        not null generated always as ('/api/v1/media/' || id::text || '/file') stored,
    thumbnail_url text        not null generated always as ('/api/v1/media/' || id::text || '/thumbnail') stored,
    created_at    timestamptz not null default now_ms(),
    check ((post_id is null) = (position is null))
);
create unique index media_by_post on media (post_id, position) where post_id is not null;
create unique index media_by_file on media (file_id);
create unique index media_by_thumbnail on media (thumbnail_id);
create index media_by_owner on media (owner_id, id);
create index media_waiting on media (created_at) where post_id is null;

-- Whatever takes an image away (the end of its post, of its owner, of its time), its bytes go in the same transaction.
create function delete_bytes_of_media() returns trigger language plpgsql as $$
begin
    delete from blobs b using gone where b.id in (gone.file_id, gone.thumbnail_id);
    return null;
end
$$;
create trigger delete_bytes_of_media after delete on media
    referencing old table as gone for each statement execute function delete_bytes_of_media();
