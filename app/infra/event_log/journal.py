"""The event log's tables: the outbox that writers fill, and the log that the relay writes and everybody reads."""

from collections.abc import Sequence
from datetime import datetime

from app.domain.events import Event, EventCursor, NewEvent
from app.infra.database import Database, Record

BATCH_SIZE = 1_000
LEADER_LOCK = 0x66656564  # "feed": the advisory lock of the one relay that leads


class Lost(Exception):
    """Events behind the position have left the log; `oldest` is the position before the oldest one that is kept."""

    def __init__(self, oldest: int) -> None:
        super().__init__(oldest)
        self.oldest = oldest


async def append(db: Database, event: NewEvent) -> None:
    """Leave an event in the outbox; call it in the transaction of the event's cause. One statement."""
    await db.execute(
        "insert into outbox (type, topics, subject_id) values ($1, $2, $3)", event.type, list(event.topics), event.subject_id
    )


async def try_to_lead(db: Database) -> bool:
    """Become the one leader, for as long as this connection lives. One statement."""
    return bool(await db.fetchval("select pg_try_advisory_lock($1)", LEADER_LOCK))


async def move_batch(db: Database) -> list[Event]:
    """Move the oldest committed events from the outbox into the log, at the next positions; return them. One statement.

    Only the leader calls it, on the connection that holds the lock.
    """
    rows = await db.fetch(
        """
        with taken as (
            delete from outbox where id in (select id from outbox order by id limit $1) returning *
        ), counted as (
            select count(*) as events from taken
        ), head as (
            update event_log_head set position = position + events from counted where events > 0
            returning position - events as before
        )
        insert into event_log (position, type, at, topics, subject_id)
        select head.before + row_number() over (order by taken.id), type, at, topics, subject_id from taken, head
        returning position, type, at, topics, subject_id
        """,
        BATCH_SIZE,
    )
    return sorted(map(event_of, rows), key=lambda event: event.position)


async def head(db: Database) -> EventCursor:
    """Return the log's newest position. One statement."""
    row = await db.fetchrow("select epoch, position from event_log_head")
    if row is None:
        raise LookupError("event_log_head has no row: the migrations did not run to their end")
    return EventCursor(row["epoch"], row["position"])


async def read_after(db: Database, position: int, *, limit: int = BATCH_SIZE) -> list[Event]:
    """Return the events behind the position, oldest first. One statement; a second one where there are none.

    Raises:
        Lost: the log does not reach back to the position.
    """
    rows = await db.fetch(
        "select position, type, at, topics, subject_id from event_log where position > $1 order by position limit $2",
        position,
        limit,
    )
    if rows:
        if rows[0]["position"] > position + 1:
            raise Lost(rows[0]["position"] - 1)
    elif (newest := (await head(db)).position) > position and not await has_events_after(db, position):
        raise Lost(newest)
    return [event_of(row) for row in rows]


async def has_events_after(db: Database, position: int) -> bool:
    """Say whether the log holds an event behind the position. One statement."""
    return bool(await db.fetchval("select exists (select from event_log where position > $1)", position))


async def discard_before(db: Database, moment: datetime, *, keep: int) -> None:
    """Let events older than the moment, and all but the newest `keep`, leave the log. One statement."""
    await db.execute(
        """
        delete from event_log where position <= greatest(
            (select max(position) from event_log where at < $1), (select position from event_log_head) - $2)
        """,
        moment,
        keep,
    )


def event_of(row: Record | Sequence[object]) -> Event:
    """Return the event of a row (position, type, at, topics, subject_id)."""
    position, type_, at, topics, subject_id = row
    return Event(position, type_, at, tuple(topics), subject_id)  # type: ignore[arg-type]  # columns are typed by SQL
