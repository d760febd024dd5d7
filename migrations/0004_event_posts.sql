-- Events carry the post as it was when they happened, so that they are the same whenever and however they are read.
-- A server of the version before writes none: its events show the post as it is when they are delivered.
alter table outbox add column post jsonb;
alter table event_log add column post jsonb;
