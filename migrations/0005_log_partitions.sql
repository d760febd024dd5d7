-- The log in pieces of consecutive positions, so that what is too old leaves by dropping a table instead of deleting its rows.
--
-- Safe with the version before, before and after: it reads and writes the same names; its relay, should it lead, fills the pieces
-- made here and then the default one, and its deletions are found by the hole that they leave.

-- Where the log begins: nothing at or below this position is given to anybody, whether its piece has been dropped already or not.
alter table event_log_head add column oldest bigint not null default 0;

-- The pieces: each holds the positions from first to last, in the table event_log_<first>.
create table event_log_pieces (
    first bigint primary key,
    last  bigint not null check (last >= first)
);

-- Waits for the relay's statement in progress; the next one finds the new table under the old name.
lock table event_log in access exclusive mode;
alter table event_log rename to event_log_1;
alter table event_log_1 rename constraint event_log_pkey to event_log_1_pkey;
alter index event_log_by_age rename to event_log_1_by_age;

create table event_log (
    position   bigint      primary key,
    type       text        not null,
    at         timestamptz not null,
    topics     text[]      not null,
    subject_id bigint      not null,
    post       jsonb
) partition by range (position);
create index event_log_by_age on event_log (at);

do $$
declare
    head bigint := (select position from event_log_head);
begin
    execute format('alter table event_log attach partition event_log_1 for values from (1) to (%s)', head + 50001);
    insert into event_log_pieces (first, last) values (1, head + 50000);
end $$;

-- Holds what no piece has room for: nothing, as long as a relay of this version leads.
create table event_log_rest partition of event_log default;

update event_log_head set oldest = coalesce((select min(position) - 1 from event_log), position);
