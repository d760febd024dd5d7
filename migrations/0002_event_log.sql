-- The event log: a write leaves its event in the outbox, in its own transaction; the relay moves committed ones into the log.

create table outbox (
    id         bigint      generated always as identity primary key,
    type       text        not null,
    at         timestamptz not null default now_ms(),
    topics     text[]      not null,
    subject_id bigint      not null -- the post or the session that the event is about
);

-- Positions are dense: 1, 2, 3 … with no hole, in the order in which the relay saw the commits. A reader that sees a hole has missed
-- something and reads it here. (A sequence cannot give that: its numbers are taken before the commit, and rolled-back ones are lost.)
create table event_log (
    position   bigint      primary key,
    type       text        not null,
    at         timestamptz not null,
    topics     text[]      not null,
    subject_id bigint      not null
);
create index event_log_by_age on event_log (at);

-- One row. The epoch names this life of the log: positions of another database mean other events.
create table event_log_head (
    only_row boolean primary key default true check (only_row),
    epoch    bigint  not null,
    position bigint  not null
);
insert into event_log_head (epoch, position) values (extract(epoch from clock_timestamp())::bigint, 0);
