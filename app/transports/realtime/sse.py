"""Events as server-sent events (WHATWG HTML, 9.2), each with its cursor as id: a client that comes back misses nothing."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

import orjson
from aiohttp import HttpVersion11, hdrs, web

from app.domain.errors import FeedgraphError, Overloaded, Throttled, Unauthenticated
from app.domain.events import Gap
from app.services.context import RequestContext
from app.services.sightings import Told, shown
from app.services.updates import SIGNED_OUT, Follower
from app.transports.errors import RequestError, problem_of
from app.transports.realtime.connections import CONNECTIONS, RETRY_WINDOW_MS, bound
from app.transports.realtime.event_form import frame
from app.transports.realtime.graphql_sse import COMMENT, HEADERS
from app.transports.realtime.news import chunked
from app.transports.realtime.pace import Stall

WAY = "sse"  # in the metrics
CHUNK = 64 * 1024  # bytes that are handed over before the client's pace is looked at
OUTAGE_S = 10.0  # without a database for so long, the client is sent to look for another server
PAUSE_S = 0.5


async def stream(request: web.Request, ctx: RequestContext, follower: Follower) -> web.StreamResponse:
    """Send what happens until the client leaves, its session ends, or the server stops.

    Raises:
        RequestError: a stream is not to be had.
    """
    if request.version < HttpVersion11:
        raise RequestError("BAD_REQUEST", "A stream needs HTTP/1.1.")
    connections = request.app[CONNECTIONS]
    with ctx.resources.budgets.lasting(ctx.caller):
        response = web.StreamResponse(headers=HEADERS | {hdrs.VARY: "Accept, Authorization"})
        events = EventStream(request, ctx, follower)
        await response.prepare(request)
        if connections.is_draining:  # not a 503: a browser would take that as the end and never come back
            await response.write(b"retry: %d\n\n" % retry_ms())
            return response
        connections.open.add(events)
        if not follower.is_at_head:
            ctx.resources.metrics.event_replays.add(WAY)
        try:
            await events.run(response)
        finally:
            connections.open.discard(events)
        return response


def retry_ms() -> int:
    """Return after how long a client should come back; everybody gets another time."""
    return random.randint(*RETRY_WINDOW_MS)  # noqa: S311  # it spreads load, it keeps no secret


class EventStream:
    """One client's stream. It waits for the log, or for the client to read; nothing piles up meanwhile, for it is a position."""

    def __init__(self, request: web.Request, ctx: RequestContext, follower: Follower) -> None:
        if request.transport is None:
            raise ConnectionResetError("The client has left.")
        self._request = request
        self._ctx = ctx
        self._follower = follower
        self._transport = request.transport
        bound(self._transport, ctx.settings)
        self._is_live = False  # has it been at the log's end?
        self._stall = Stall(ctx.settings)
        self._wrote_at = asyncio.get_running_loop().time()
        self._task = asyncio.current_task()
        self._last_words: bytes | None = None  # set: the stream is to end

    async def run(self, response: web.StreamResponse) -> None:
        """Send until the end, and say what is to be said then."""
        try:
            await response.write(b"retry: %d\nid: %b\n\n" % (retry_ms(), str(self._follower.cursor).encode()))
            await self._send_for_ever()
        except asyncio.CancelledError:
            if self._last_words is None or self._task is None:
                raise  # the client left
            self._task.uncancel()
        except FeedgraphError as error:
            self._last_words = ended(error)
        except ConnectionError:
            return
        with suppress(ConnectionError):
            await response.write(self._last_words or b"")
            await response.write_eof()

    async def _send_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + OUTAGE_S
        while True:
            before = self._follower.cursor
            try:
                batch = await self._follower.step()
                events = await shown(self._ctx, batch, epoch=self._follower.cursor.epoch, live=self._is_live)
            except Overloaded:  # the database is away; without it, nothing can happen that we could tell
                if loop.time() > give_up_at:
                    raise
                self._follower.cursor = before
                await asyncio.sleep(PAUSE_S)
                continue
            give_up_at = loop.time() + OUTAGE_S
            if events:
                self._count(events)
                await self._pay(len(events))
                await self._send(events)
            self._is_live = self._is_live or self._follower.is_at_head
            await self._follower.growth()

    def _count(self, events: Sequence[Told | Gap]) -> None:
        gaps = sum(isinstance(event, Gap) for event in events)
        metrics = self._ctx.resources.metrics
        metrics.event_deliveries.add(WAY, amount=len(events) - gaps)
        metrics.event_gaps.add(WAY, amount=gaps)

    async def _pay(self, points: int) -> None:
        """Charge the caller a point for each event, waiting until there are enough."""
        while True:
            try:
                await self._ctx.resources.budgets.pay(self._ctx.caller, points)
            except Throttled as error:
                await asyncio.sleep(error.retry_after_s)
            else:
                return

    async def _send(self, events: Sequence[Told | Gap]) -> None:
        piece: list[bytes] = []
        size = 0
        for event in events:
            piece.append(frame(event))
            size += len(piece[-1])
            if size >= CHUNK:
                await self._hand_over(piece)
                piece, size = [], 0
        await self._hand_over(piece)

    async def _hand_over(self, piece: list[bytes]) -> None:
        if piece:
            self._write(b"".join(piece))
            await self._request.writer.drain()

    def _write(self, data: bytes) -> None:
        if self._transport.is_closing():
            raise ConnectionResetError("The client has left.")
        self._wrote_at = asyncio.get_running_loop().time()
        self._transport.write(chunked(data))

    def look_after(self, now: float) -> None:
        """Do what is due: end what lasts too long, let the client and what is in between see that the stream lives."""
        if self._ctx.viewer is not None and self._ctx.viewer.has_expired():
            self._end(ended(Unauthenticated(SIGNED_OUT)))
        elif self._stall.lasts_too_long(self._transport.get_write_buffer_size(), now):
            self._ctx.resources.metrics.event_stalls.add()
            self._transport.abort()  # it comes back with the last id that it saw
        elif now - self._wrote_at >= self._ctx.settings.sse_heartbeat_s and not self._transport.is_closing():
            self._wrote_at = now
            self._transport.write(COMMENT)

    async def send_away(self, retry_ms: int) -> None:
        """End it, telling the client to come back after so many milliseconds."""
        self._end(b"retry: %d\n\n" % retry_ms)

    def _end(self, last_words: bytes) -> None:
        if self._last_words is None and self._task is not None:
            self._last_words = last_words
            self._task.cancel()


def ended(error: FeedgraphError) -> bytes:
    """Return the frame that says why the stream ends."""
    problem = problem_of(error)
    return b"event: end\ndata: %b\n\n" % orjson.dumps({"code": problem.code, "detail": problem.message, **problem.details})
