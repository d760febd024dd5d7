"""The event log's tables: the outbox that writers fill, and the log that the relay writes and everybody reads.

How the log is cut into pieces, and what leaves it, stands in `pieces.py`.
"""

from dataclasses import fields
from datetime import datetime
from typing import Any

import orjson

from app.domain.events import Event, EventCursor, EventType, NewEvent
from app.domain.models import Post
from app.infra.database import Database, Record

BATCH_SIZE = 1_000
POST_COLUMNS = tuple(field.name for field in fields(Post))
POST_TIMES = {"created_at", "edited_at", "hidden_at"}
LEADER_LOCK = 0x66656564  # "feed": the advisory lock of the one relay that leads
LEADER_SILENCE_S = 5  # a leader sends a statement far more often; of one that hangs, PostgreSQL ends the connection and the lock


class Lost(Exception):
    """Events behind the position have left the log; `oldest` is the position before the oldest one that is kept."""

    def __init__(self, oldest: int) -> None:
        super().__init__(oldest)
        self.oldest = oldest


async def append(db: Database, *events: NewEvent) -> None:
    """Leave events in the outbox, in this order; call it in the transaction of their cause. One statement."""
    rows = [f"(${n + 1}::text, ${n + 2}::text[], ${n + 3}::bigint, ${n + 4}::jsonb)" for n in range(0, 4 * len(events), 4)]
    values = [(event.type, list(event.topics), event.subject_id, document_of(event.post)) for event in events]
    await db.execute(  # only placeholders are put together here
        f"insert into outbox (type, topics, subject_id, post) values {', '.join(rows)}",  # noqa: S608
        *(value for row in values for value in row),
    )


async def stand_for_leader(db: Database, *, silence_s: float = LEADER_SILENCE_S) -> None:
    """Make the connection fit to lead: one whose process hangs or whose machine is gone does not hold the lock. One statement."""
    await db.execute(f"set idle_session_timeout = {int(silence_s * 1000)}")


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
        insert into event_log (position, type, at, topics, subject_id, post)
        select head.before + row_number() over (order by taken.id), type, at, topics, subject_id, post from taken, head
        returning position, type, at, topics, subject_id, post
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
        """
        select position, type, at, topics, subject_id, post, (select oldest from event_log_head) as oldest
        from event_log where position > $1 order by position limit $2
        """,
        position,
        limit,
    )
    if rows:
        oldest = max(rows[0]["oldest"], rows[0]["position"] - 1)
        if oldest > position:
            raise Lost(oldest)
    elif (newest := (await head(db)).position) > position and not await has_events_after(db, position):
        raise Lost(newest)
    return [event_of(row) for row in rows]


async def has_events_after(db: Database, position: int) -> bool:
    """Say whether the log holds an event behind the position. One statement."""
    return bool(await db.fetchval("select exists (select from event_log where position > $1)", position))


async def last_about(db: Database, type_: EventType, subject_id: int, *, since: datetime) -> EventCursor | None:
    """Return where the newest event of a type about a thing stands, among those since a time. One statement."""
    row = await db.fetchrow(
        """
        select h.epoch, max(l.position) from event_log l, event_log_head h
        where l.at >= $3 and l.type = $1 and l.subject_id = $2 and l.position > h.oldest group by h.epoch
        """,
        type_,
        subject_id,
        since,
    )
    return EventCursor(row[0], row[1]) if row else None


def event_of(row: Record) -> Event:
    """Return the event of a row (position, type, at, topics, subject_id, post)."""
    position, type_, at, topics, subject_id, post = row[:6]
    return Event(position, type_, at, tuple(topics), subject_id, post_of(orjson.loads(post)) if post else None)


def document_of(post: Post | None) -> str | None:
    """Return a post as the log keeps it: a JSON object of its columns."""
    return orjson.dumps(post).decode() if post else None


def post_of(document: dict[str, Any]) -> Post | None:
    """Return the post that the log keeps; None where another version of the server wrote it, with other columns."""
    values = {name: document[name] for name in POST_COLUMNS if name in document}
    for name in POST_TIMES & values.keys():
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    return Post(**values) if len(values) == len(POST_COLUMNS) else None
