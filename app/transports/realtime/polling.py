"""Polls: what has happened behind a cursor, now (short) or as soon as there is something (long)."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import hdrs, web

from app.domain.errors import DeadlineExceeded
from app.domain.events import Gap
from app.services.context import RequestContext
from app.services.sightings import Told, shown
from app.services.updates import Follower
from app.transports.exchange import json_response
from app.transports.realtime.connections import CONNECTIONS
from app.transports.realtime.event_form import event_json, gap_form

LARGEST_PAGE = 100  # events
LONGEST_LOOK = 5  # steps of the log that one poll reads through for topics on which little happens
CURSOR_HEADER = "Feedgraph-Cursor"
VARY = "Accept, Authorization, Accept-Encoding"


@dataclass(slots=True)
class Found:
    """What a poll gives."""

    events: list[Told] = field(default_factory=list)
    gap: Gap | None = None

    def __bool__(self) -> bool:
        """Say whether there is anything to tell."""
        return bool(self.events) or self.gap is not None


async def short_poll(request: web.Request, ctx: RequestContext, follower: Follower) -> web.Response:
    """Answer with what is there: 200, or 304 where the caller has it already.

    Raises:
        Throttled, Overloaded, DeadlineExceeded: as for a query.
    """
    head = str(ctx.resources.tail.cursor)
    await ctx.resources.budgets.pay(ctx.caller, 1)
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get(hdrs.IF_NONE_MATCH, "").split(",")]
    if etag(head) in known:
        return web.Response(status=304, headers=headers_of(ctx, head) | {hdrs.ETAG: etag(head)})
    with ctx.resources.budgets.running(ctx.caller):
        found = await within_deadline(ctx, follower)
    return await told(request, ctx, follower, found)


async def long_poll(request: web.Request, ctx: RequestContext, follower: Follower, wait_s: float) -> web.Response:
    """Answer as soon as there is something: 200, or 204 with the cursor to go on from after so many seconds without.

    Raises:
        Throttled, Overloaded, DeadlineExceeded: as for a query.
        TooManyOperations: the caller has too many connections waiting.
    """
    await ctx.resources.budgets.pay(ctx.caller, 1)
    ctx.waits = True
    with ctx.resources.budgets.lasting(ctx.caller):
        waiting = Waiting(ctx, follower)
        connections = request.app[CONNECTIONS]
        connections.open.add(waiting)
        try:
            found = await waiting.found(0 if connections.is_draining else wait_s)
        finally:
            connections.open.discard(waiting)
    if found:
        response = await told(request, ctx, follower, found)
    else:
        response = web.Response(status=204, headers=headers_of(ctx, str(follower.cursor)))
    response.headers["Preference-Applied"] = f"wait={wait_s:g}"
    if waiting.retry_ms is not None:
        response.headers[hdrs.RETRY_AFTER] = str(-(-waiting.retry_ms // 1000))
    return response


class Waiting:
    """A long poll that waits: a connection that can be sent away."""

    def __init__(self, ctx: RequestContext, follower: Follower) -> None:
        self.retry_ms: int | None = None  # set: the server stops
        self._ctx = ctx
        self._follower = follower
        self._sent_away = asyncio.Event()

    async def found(self, wait_s: float) -> Found:
        """Return what happens within the time, nothing where nothing does."""
        if (viewer := self._ctx.viewer) is not None:
            wait_s = min(wait_s, (viewer.expires_at - datetime.now(UTC)).total_seconds())
        give_up_at = asyncio.get_running_loop().time() + wait_s
        while True:
            found = await within_deadline(self._ctx, self._follower)
            left_s = give_up_at - asyncio.get_running_loop().time()
            if found or left_s <= 0 or self.retry_ms is not None:
                return found
            if self._follower.is_at_head:
                await self._news(left_s)

    async def _news(self, timeout_s: float) -> None:
        """Wait until the log grows, the time is over or the server stops."""
        waits = [asyncio.ensure_future(self._follower.growth()), asyncio.ensure_future(self._sent_away.wait())]
        try:
            await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def look_after(self, _now: float) -> None:
        """Nothing is due before the answer."""

    async def send_away(self, retry_ms: int) -> None:
        """Answer at once."""
        self.retry_ms = retry_ms
        self._sent_away.set()


async def within_deadline(ctx: RequestContext, follower: Follower) -> Found:
    """Return what is there, or give up at a query's deadline.

    Raises:
        DeadlineExceeded: it took longer.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(ctx.settings.query_timeout_s):
            return await look(ctx, follower)
    raise DeadlineExceeded


async def look(ctx: RequestContext, follower: Follower) -> Found:
    """Return what is behind the cursor, a page of it; the cursor moves behind what was looked at."""
    found = Found()
    for _ in range(LONGEST_LOOK):
        before = follower.cursor
        batch = await follower.step(limit=LARGEST_PAGE - len(found.events))
        for event in await shown(ctx, batch, epoch=follower.cursor.epoch, live=False):
            if not isinstance(event, Gap):
                found.events.append(event)
            elif found:
                follower.cursor = before  # a gap stands at the begin of a page
                return found
            else:
                found.gap = event
        if len(found.events) >= LARGEST_PAGE or follower.is_at_head:
            break
    return found


async def told(request: web.Request, ctx: RequestContext, follower: Follower, found: Found) -> web.Response:
    """Return the response that tells what was found; each event costs a point.

    Raises:
        Throttled: the caller has not so many.
    """
    await ctx.resources.budgets.pay(ctx.caller, len(found.events))
    metrics, way = ctx.resources.metrics, "long_poll" if ctx.waits else "short_poll"
    metrics.event_deliveries.add(way, amount=len(found.events))
    metrics.event_gaps.add(way, amount=found.gap is not None)
    cursor, has_more = str(follower.cursor), not follower.is_at_head
    headers = headers_of(ctx, cursor, has_more=has_more)
    if not has_more:
        headers[hdrs.ETAG] = etag(cursor)  # where there is more, a caller with this tag has not seen all
    body: dict[str, Any] = {
        "events": [orjson.Fragment(event_json(event)) for event in found.events],
        "cursor": cursor,
        "gap": gap_form(found.gap) if found.gap else None,
        "more": has_more,
    }
    return json_response(request, body, headers=headers)


def etag(cursor: str) -> str:
    """Return the tag of what is seen from a position."""
    return f'"{cursor}"'


def headers_of(ctx: RequestContext, cursor: str, *, has_more: bool = False) -> dict[str, str]:
    """Return what every poll's answer says: where to go on from, and when to ask again."""
    return {
        CURSOR_HEADER: cursor,
        hdrs.RETRY_AFTER: "0" if has_more else f"{max(1, round(ctx.settings.poll_interval_s))}",
        hdrs.CACHE_CONTROL: "private, no-cache",
        hdrs.VARY: VARY,
    }
