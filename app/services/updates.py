"""The only live door: what happens from a cursor on, in the log's order, each event once, for whoever may see it.

A listener is a position in the log. What is behind it comes from the tail's memory or from PostgreSQL, whichever has it, so
replay and live are the same loop and nothing can fall between them.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from app import stores
from app.domain.errors import CursorInvalid, Unauthenticated
from app.domain.events import (
    PUBLIC_POSTS,
    Event,
    EventCursor,
    EventType,
    Gap,
    author_topic,
    session_topic,
)
from app.domain.models import Post
from app.infra import event_log
from app.services.context import RequestContext

SIGNED_OUT = "The session of this stream has ended: sign in again."


@dataclass(frozen=True, slots=True)
class LivePost:
    """A post, as it is now, and the position of the event that tells of it."""

    cursor: EventCursor
    post: Post

    @property
    def subject(self) -> Post:
        """What the event is about: the root of what is answered to it."""
        return self.post


async def posts_added(
    ctx: RequestContext, *, author_id: int | None = None, after: EventCursor | None = None
) -> AsyncIterator[LivePost | Gap]:
    """Give every new post that the viewer may see, of one author or of all, from the cursor (absent: from now) on.

    Raises:
        CursorInvalid: the cursor lies in the future.
        Unauthenticated: the viewer's session ended.
    """
    topic = PUBLIC_POSTS if author_id is None else author_topic(author_id)
    async for event in follow(ctx, [topic], after=after):
        if isinstance(event, Gap):
            yield event
        elif event.type == EventType.POST_CREATED:
            [post] = await stores.posts.by_ids(ctx.db, [event.subject_id], viewer_id=ctx.viewer_id)
            if post is not None:  # else deleted since, or hidden from this viewer
                yield LivePost(EventCursor(ctx.resources.tail.cursor.epoch, event.position), post)


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
    cursor = await _start(ctx, after)
    while True:
        batch, cursor = await _next(ctx, cursor)
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


async def _require_session(ctx: RequestContext) -> None:
    """Look whether the viewer's session has ended: the event that told of it may be among those that are gone.

    Raises:
        Unauthenticated: it has.
    """
    if ctx.viewer and not await stores.sessions.exists(ctx.db, ctx.viewer.session_id):
        raise Unauthenticated(SIGNED_OUT)


async def _start(ctx: RequestContext, after: EventCursor | None) -> EventCursor:
    if after is None:
        return ctx.event_cursor
    tail = ctx.resources.tail
    if after.epoch == tail.cursor.epoch and after.position > tail.cursor.position:
        await tail.catch_up()  # the cursor may come from a process that was told sooner than this one
        if after.position > tail.cursor.position:
            raise CursorInvalid("This event cursor lies in the future: pass back one that came with an event.")
    return after


async def _next(ctx: RequestContext, cursor: EventCursor) -> tuple[list[Event | Gap], EventCursor]:
    """Return what is known behind the cursor, and the cursor behind that."""
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
