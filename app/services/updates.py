"""The only live door: what happens from a cursor on, in the log's order, each event once, for whoever may see it.

A listener is a position in the log. What is behind it comes from the tail's memory or from PostgreSQL, whichever has it, so
replay and live are the same loop and nothing can fall between them.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from datetime import UTC, datetime

from app import stores
from app.domain.errors import CursorInvalid, Unauthenticated
from app.domain.events import Event, EventCursor, Gap, session_topic
from app.infra import event_log
from app.services.context import RequestContext

SIGNED_OUT = "The session of this stream has ended: sign in again."


async def follow(ctx: RequestContext, topics: Collection[str], *, after: EventCursor | None = None) -> AsyncIterator[Event | Gap]:
    """Give the events of the topics behind the cursor (absent: the head when the request began), then each new one, for ever.

    A Gap stands where events are gone: the log does not reach back so far, or the cursor belongs to another life of the log.

    Raises:
        CursorInvalid: the cursor lies in the future.
        Unauthenticated: the viewer's session ended.
    """
    tail = ctx.resources.tail
    wanted = set(topics)
    ended = {session_topic(ctx.viewer.session_id)} if ctx.viewer else set[str]()
    cursor = await start(ctx, after)
    while True:
        batch, cursor = await behind(ctx, cursor)
        for event in batch:
            if isinstance(event, Gap):
                await _require_session(ctx)
                yield event
            elif not wanted.isdisjoint(event.topics):
                yield event
            elif not ended.isdisjoint(event.topics):
                raise Unauthenticated(SIGNED_OUT)
        if not batch:
            await tail.growth(cursor)


async def until_signed_out(ctx: RequestContext) -> None:
    """Return when the viewer's session has ended, by signing out or by its time; for an anonymous viewer, never."""
    left_s = (ctx.viewer.expires_at - datetime.now(UTC)).total_seconds() if ctx.viewer else None
    with suppress(Unauthenticated, TimeoutError):
        async with asyncio.timeout(left_s):
            async for _ in follow(ctx, ()):
                pass


async def holds(ctx: RequestContext) -> bool:
    """Say whether the viewer's session still exists; an anonymous one always does. One statement, where it may have ended.

    Raises:
        Unavailable: the database is away.
    """
    if ctx.viewer is None:
        return True
    known = ctx.resources.tail.after(ctx.event_cursor)
    topic = session_topic(ctx.viewer.session_id)
    if known is not None and not any(topic in event.topics for event in known):
        return True
    return await stores.sessions.exists(ctx.db, ctx.viewer.session_id)


async def _require_session(ctx: RequestContext) -> None:
    """Look whether the viewer's session has ended: the event that told of it may be among those that are gone.

    Raises:
        Unauthenticated: it has.
    """
    if ctx.viewer and not await stores.sessions.exists(ctx.db, ctx.viewer.session_id):
        raise Unauthenticated(SIGNED_OUT)


async def start(ctx: RequestContext, after: EventCursor | None) -> EventCursor:
    """Return where a listener begins who hands back this cursor (absent: the head when the request began).

    Raises:
        CursorInvalid: the cursor lies in the future.
    """
    if after is None:
        return ctx.event_cursor
    tail = ctx.resources.tail
    if after.epoch == tail.cursor.epoch and after.position > tail.cursor.position:
        await tail.catch_up()  # the cursor may come from a process that was told sooner than this one
        if after.position > tail.cursor.position:
            raise CursorInvalid("This event cursor lies in the future: pass back one that came with an event.")
    return after


async def behind(ctx: RequestContext, cursor: EventCursor) -> tuple[list[Event | Gap], EventCursor]:
    """Return what is known behind the cursor (nothing: it is the log's head), and the cursor behind that."""
    tail = ctx.resources.tail
    if cursor.epoch != tail.cursor.epoch or cursor.position > tail.cursor.position:  # the log's life ended, or was turned back
        return [Gap(cursor, tail.cursor)], tail.cursor
    events = tail.after(cursor)
    if events is None:
        try:
            events = await event_log.read_after(ctx.db, cursor.position)
        except event_log.Lost as lost:
            end = EventCursor(cursor.epoch, lost.oldest)
            return [Gap(cursor, end)], end
    if not events:
        return [], cursor
    return list(events), EventCursor(cursor.epoch, events[-1].position)
