-- Sessions whose callers are counted but never throttled: benchmarks and trusted backends.
alter table sessions add column unlimited boolean not null default false;
