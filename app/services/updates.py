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
from app.domain.events import FEED, Event, EventCursor, EventType, Gap, session_topic
from app.domain.visibility import is_in_home_feed
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
    follower = await Follower.begun(ctx, topics, after=after)
    while True:
        for event in await follower.step():
            yield event
        await follower.growth()


class Follower:
    """A viewer's place in the log: what concerns them is read behind it, a step at a time."""

    def __init__(self, ctx: RequestContext, topics: Collection[str], cursor: EventCursor) -> None:
        self.cursor = cursor  # everything up to here has been given; set it back to read it again
        self._ctx = ctx
        self._topics = set(topics)
        self._wants_feed = FEED in self._topics
        self._followed: set[int] | None = None  # None: to be read

    @classmethod
    async def begun(cls, ctx: RequestContext, topics: Collection[str], *, after: EventCursor | None) -> "Follower":
        """Return a follower of the topics behind the cursor (absent: the head when the request began).

        Raises:
            Unauthenticated: the topic is the feed, and nobody is signed in whose it could be.
            CursorInvalid: the cursor lies in the future.
        """
        if FEED in topics:
            ctx.signed_in()
        return cls(ctx, topics, await start(ctx, after))

    @property
    def is_at_head(self) -> bool:
        """Say whether there is nothing behind the cursor, as far as this process knows."""
        return self.cursor == self._ctx.resources.tail.cursor

    async def growth(self) -> None:
        """Wait until there is something behind the cursor, whatever it concerns."""
        await self._ctx.resources.tail.growth(self.cursor)

    async def step(self, *, limit: int | None = None) -> list[Event | Gap]:
        """Return what concerns the viewer of the events right behind the cursor, and move the cursor behind it.

        There may be more behind that: see `is_at_head`. At most `limit` events; a Gap comes alone. One statement where the
        process's memory does not reach back to the cursor, and one where the viewer's follows are not known.

        Raises:
            Unauthenticated: the viewer's session ended.
            Unavailable: the database is away; the cursor stays.
        """
        batch, end = await behind(self._ctx, self.cursor)
        found: list[Event | Gap] = []
        for event in batch:
            if isinstance(event, Gap):
                await _require_session(self._ctx)
                found.append(event)
                self._followed = None  # they may have changed meanwhile
                continue
            self._heed(event)
            if await self._concerns(event):
                found.append(event)
                if limit is not None and len(found) >= limit:
                    end = EventCursor(end.epoch, event.position)
                    break
        self.cursor = end
        return found

    def _heed(self, event: Event) -> None:
        """See what an event changes for the listener itself."""
        viewer = self._ctx.viewer
        if viewer is None:
            return
        if event.type == EventType.SESSION_REVOKED and event.subject_id == viewer.session_id:
            raise Unauthenticated(SIGNED_OUT)
        if event.type == EventType.USER_DELETED and event.subject_id == viewer.user_id:
            raise Unauthenticated(SIGNED_OUT)
        if event.type == EventType.USER_CHANGED and event.subject_id == viewer.user_id:
            self._followed = None

    async def _concerns(self, event: Event) -> bool:
        if not self._topics.isdisjoint(event.topics):
            return True
        viewer_id = self._ctx.viewer_id
        if not self._wants_feed or viewer_id is None or event.post is None:  # events of the version before are in no feed
            return False
        if self._followed is None:
            self._followed = await stores.follows.all_followed(self._ctx.db, viewer_id)
        return is_in_home_feed(viewer_id, self._followed, event.post)


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
