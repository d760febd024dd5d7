"""The jobs table, and the dead letters beside it: what the product knows of slow work."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.domain.models import Job, JobState
from app.domain.paging import Key, Page, Slice
from app.infra.database import Database, Record
from app.stores.columns import Selection
from app.stores.keyset import keyset_args, keyset_of, sliced

COLUMNS = ", ".join(f"j.{field.name}" for field in fields(Job))
RUNS = "j.id = $1 and j.attempts = $2 and j.state = 'running'"  # this attempt, and no later one, is the one that counts


def job_of(row: Record | Sequence[Any]) -> Job:
    """Return the job of a row that holds COLUMNS."""
    id_, owner_id, kind, state, attempts, done, total, input_, result, *rest = row
    kept = orjson.loads(result) if result is not None else None
    return Job(id_, owner_id, kind, JobState(state), attempts, done, total, orjson.loads(input_), kept, *rest)


async def insert(db: Database, *, owner_id: int, kind: str, input_: dict[str, Any]) -> Job:
    """Make a job. One statement."""
    sql = f"insert into jobs as j (owner_id, kind, input) values ($1, $2, $3) returning {COLUMNS}"
    return job_of(await db.fetchrow(sql, owner_id, kind, orjson.dumps(input_).decode()) or ())


async def by_ids(db: Database, ids: Sequence[int], *, owner_id: int | None) -> list[Job | None]:
    """Return this owner's jobs with these ids, None for others. One statement."""
    rows = await db.fetch(f"select {COLUMNS} from jobs j where j.id = any($1) and j.owner_id = $2", ids, owner_id)
    found = {row["id"]: job_of(row) for row in rows}
    return [found.get(id_) for id_ in ids]


async def all_by_ids(db: Database, ids: Sequence[int]) -> list[Job | None]:
    """Return the jobs with these ids, whoever owns them, None for others. One statement."""
    rows = await db.fetch(f"select {COLUMNS} from jobs j where j.id = any($1)", ids)
    found = {row["id"]: job_of(row) for row in rows}
    return [found.get(id_) for id_ in ids]


async def by_owner(db: Database, owner_id: int, page: Page) -> Slice[Job]:
    """Return a page of somebody's jobs, newest first. One statement."""
    place = keyset_of(page, ("j.id",), first_arg=3)
    sql = f"select {COLUMNS} from jobs j where j.owner_id = $1 {place.where} order by {place.order_by} limit $2"
    rows = await db.fetch(sql, owner_id, page.limit, *keyset_args(page))
    return sliced(page, rows, Selection(COLUMNS, "", job_of), key_of)


def key_of(row: Record) -> Key:
    """Return a job's place in lists: newest first by id."""
    return (row["id"],)


async def unfinished(db: Database, owner_id: int) -> list[Job]:
    """Return somebody's jobs that have not ended, oldest first. One statement."""
    sql = f"select {COLUMNS} from jobs j where j.owner_id = $1 and j.finished_at is null order by j.id"
    return [job_of(row) for row in await db.fetch(sql, owner_id)]


async def start(db: Database, id_: int, *, attempts: int) -> Job | None:
    """Begin the next of at most so many attempts; return the job, None where it has ended or had them all. One statement."""
    row = await db.fetchrow(
        f"""
        update jobs j set state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now_ms())
        where j.id = $1 and j.finished_at is null and j.attempts < $2 returning {COLUMNS}
        """,
        id_,
        attempts,
    )
    return job_of(row) if row else None


async def advance(db: Database, job: Job, *, done: int, total: int | None) -> bool:
    """Note progress; return False where this attempt does not count any more. One statement.

    In a transaction, it also keeps others from ending the job, or from starting it anew, until the transaction ends.
    """
    sql = f"update jobs j set done = $3, total = $4 where {RUNS} returning true"
    return bool(await db.fetchval(sql, job.id, job.attempts, done, total))


async def again(db: Database, job: Job, *, is_counted: bool) -> bool:
    """Put a running job back in the queue; an attempt that is not counted never was. One statement."""
    sql = f"update jobs j set state = 'queued', attempts = attempts - $3 where {RUNS} returning true"
    return bool(await db.fetchval(sql, job.id, job.attempts, 0 if is_counted else 1))


async def succeed(db: Database, job: Job, result: dict[str, Any]) -> bool:
    """End a running job well; return False where this attempt does not count any more. One statement."""
    sql = f"""
        update jobs j set state = 'succeeded', result = $3, finished_at = now_ms(), total = coalesce(total, done)
        where {RUNS} returning true
    """
    return bool(await db.fetchval(sql, job.id, job.attempts, orjson.dumps(result).decode()))


async def fail(db: Database, id_: int, *, attempts: int, error_code: str) -> bool:
    """End a job badly if it has not ended and had so many attempts; return whether it was so. One statement."""
    sql = """
        update jobs j set state = 'failed', error_code = $3, finished_at = now_ms()
        where j.id = $1 and j.attempts = $2 and j.finished_at is null returning true
    """
    return bool(await db.fetchval(sql, id_, attempts, error_code))


async def cancel(db: Database, id_: int, *, owner_id: int) -> Job | None:
    """End this owner's job before its time; return it, None where there is none or it has ended. One statement."""
    row = await db.fetchrow(
        f"""
        update jobs j set state = 'cancelled', finished_at = now_ms()
        where j.id = $1 and j.owner_id = $2 and j.finished_at is null returning {COLUMNS}
        """,
        id_,
        owner_id,
    )
    return job_of(row) if row else None


async def attempts_of(db: Database, id_: int) -> int:
    """Return how often the job was started. One statement."""
    return int(await db.fetchval("select attempts from jobs where id = $1", id_) or 0)


async def has_ended(db: Database, id_: int) -> bool:
    """Say whether the job has ended or is gone. One statement."""
    return not await db.fetchval("select exists (select from jobs where id = $1 and finished_at is null)", id_)


async def delete_older(db: Database, *, ttl_s: int) -> None:
    """Remove jobs that ended long ago and are no dead letters. One statement."""
    await db.execute(
        """
        delete from jobs where finished_at < now() - $1::interval
        and not exists (select from dead_letters where job_id = jobs.id)
        """,
        timedelta(seconds=ttl_s),
    )


async def bury(db: Database, id_: int, error: str) -> None:
    """Keep a failed job for whoever runs the server. One statement."""
    await db.execute("insert into dead_letters (job_id, error) values ($1, $2) on conflict do nothing", id_, error)


async def dead(db: Database, *, limit: int) -> list[tuple[Job, str, datetime]]:
    """Return the newest dead letters: the job, why it failed, and when. One statement."""
    sql = f"select {COLUMNS}, d.error, d.at from dead_letters d join jobs j on j.id = d.job_id order by d.at desc limit $1"
    return [(job_of(row[:-2]), row[-2], row[-1]) for row in map(tuple, await db.fetch(sql, limit))]


async def unbury(db: Database, id_: int) -> Job | None:
    """Take a dead letter away; return its job, None where there is none. One statement."""
    sql = f"delete from dead_letters d using jobs j where d.job_id = $1 and j.id = d.job_id returning {COLUMNS}"
    row = await db.fetchrow(sql, id_)
    return job_of(row) if row else None
