-- People, what they write, whom they follow and what they like; the core columns carry the plain names that other servers can read.

-- Ids are 63 bits: 41 of milliseconds since 2020-01-01, 10 of shard (always 0 so far), 12 of sequence. Unique across all tables and
-- rising with time. Up to 4,096 ids in one millisecond. Small numbers stay free for rows with ids of their own choosing (demo users).
create sequence id_sequence;

create function next_id() returns bigint language sql volatile as $$
    select ((extract(epoch from clock_timestamp()) * 1000)::bigint - 1577836800000) << 22 | (nextval('id_sequence') & 4095)
$$;

-- Times are whole milliseconds, so that what a client reads back is what is stored and compared.
create function now_ms() returns timestamptz language sql volatile as $$
    select date_trunc('milliseconds', clock_timestamp())
$$;

create table users (
    id              bigint      primary key default next_id(),
    username        text        not null unique check (username ~ '^[a-z0-9_]{3,30}$'),
    name            text        not null,
    bio             text,
    avatar_url      text,
    created_at      timestamptz not null default now_ms(),
    followers_count integer     not null default 0 check (followers_count >= 0),
    following_count integer     not null default 0 check (following_count >= 0),
    posts_count     integer     not null default 0 check (posts_count >= 0),
    password_hash   text        -- argon2id; null: this account cannot sign in (demo people)
);

create table sessions (
    id         bigint      primary key default next_id(),
    token_hash bytea       not null unique, -- SHA-256 of the bearer token, which is stored nowhere
    user_id    bigint      not null references users on delete cascade,
    is_demo    boolean     not null default false, -- its token is printed in the documentation: refused in production
    created_at timestamptz not null default now_ms(),
    expires_at timestamptz not null
);
create index sessions_by_user on sessions (user_id);

create table posts (
    id                    bigint      primary key default next_id(),
    author_id             bigint      not null references users on delete cascade,
    -- No foreign key: a reply outlives the post that it answered, and stays a reply.
    in_reply_to_id        bigint,
    in_reply_to_author_id bigint,
    title                 text,
    content               text        not null,
    created_at            timestamptz not null default now_ms(),
    edited_at             timestamptz,
    hidden_at             timestamptz, -- hidden by a moderator: only its author still sees it
    likes_count           integer     not null default 0 check (likes_count >= 0),
    replies_count         integer     not null default 0 check (replies_count >= 0),
    reposts_count         integer     not null default 0 check (reposts_count >= 0)
);
create index posts_by_author on posts (author_id, id desc);
create index top_posts_by_author on posts (author_id, id desc) where in_reply_to_id is null;
create index replies_by_post on posts (in_reply_to_id, id desc) where in_reply_to_id is not null;

create table follows (
    follower_id bigint      not null references users on delete cascade,
    followee_id bigint      not null references users on delete cascade,
    created_at  timestamptz not null default now_ms(),
    primary key (follower_id, followee_id),
    check (follower_id <> followee_id)
);
create index followers_newest_first on follows (followee_id, created_at desc, follower_id desc);
create index following_newest_first on follows (follower_id, created_at desc, followee_id desc);

create table likes (
    user_id    bigint      not null references users on delete cascade,
    post_id    bigint      not null references posts on delete cascade,
    created_at timestamptz not null default now_ms(),
    primary key (user_id, post_id)
);
create index likers_newest_first on likes (post_id, created_at desc, user_id desc);

-- A repeated request with the same key gets the first one's result: the key is written in the transaction of its effect.
create table idempotency_keys (
    user_id      bigint      not null references users on delete cascade,
    key          text        not null,
    request_hash bytea       not null,
    post_id      bigint      not null,
    created_at   timestamptz not null default now_ms(),
    primary key (user_id, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);
