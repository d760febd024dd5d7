"""GraphQL over server-sent events, distinct connections (https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md).

Each `next` has its cursor as the event's id, so a client that comes back with Last-Event-ID misses nothing. Clients that list
text/event-stream beside JSON get a stream for subscriptions alone.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import ClientConnectionResetError, HttpVersion11, hdrs, web

from app import services
from app.domain.errors import Unauthenticated
from app.domain.events import EventCursor
from app.services.context import RequestContext
from app.transports.errors import RequestError
from app.transports.exchange import context_of, to_the_end
from app.transports.graphql.endpoint import ENDPOINT, Endpoint, refuse_mutation_by_get, respond
from app.transports.graphql.negotiation import LEGACY_TYPE, best_type, media_type_of
from app.transports.graphql.pipeline import Answer, Prepared, encoded, execute, failed
from app.transports.graphql.subscriptions import opened
from app.transports.realtime.connections import CONNECTIONS, RETRY_WINDOW_MS, bound
from app.transports.realtime.hub import HUB
from app.transports.realtime.listening import Listener
from app.transports.realtime.news import Sendable, chunked
from app.transports.realtime.pace import Stall

SSE_TYPE = "text/event-stream"
COMPLETE = b"event: complete\ndata:\n\n"  # an empty data line, else browsers do not deliver it
COMMENT = chunked(b":\n\n")
LAST_EVENT_ID = "Last-Event-ID"
HEADERS = {
    hdrs.CONTENT_TYPE: f"{SSE_TYPE}; charset=utf-8",
    hdrs.CACHE_CONTROL: "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # a proxy must not wait for more
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def wants_stream(request: web.BaseRequest) -> bool:
    """Say whether a caller takes a stream."""
    accept = request.headers.get(hdrs.ACCEPT, "")
    return SSE_TYPE in accept and best_type(accept, (SSE_TYPE,)) is not None


def or_else(endpoint: Endpoint) -> Handler:
    """Return a handler that streams to those who want a stream, and lets the endpoint answer the rest."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if not wants_stream(request):
            return await endpoint.handle(request)
        media_type = media_type_of(request.headers[hdrs.ACCEPT])
        try:
            prepared = await endpoint.prepared(request)
            if media_type and (isinstance(prepared, Answer) or not prepared.operation.is_subscription):
                return await endpoint.answer(request, prepared, media_type)
            return await streamed(request, context_of(request), prepared)
        except ClientConnectionResetError:  # the client left while the stream began
            raise
        except Exception as error:  # every failure leaves as a GraphQL response, masked where it was not meant
            return respond(request, failed(error), LEGACY_TYPE)

    return handle


async def streamed(request: web.Request, ctx: RequestContext, prepared: Prepared | Answer) -> web.StreamResponse:
    """Answer with a stream: of events, or of the one answer that there is.

    Raises:
        RequestError: a stream is not to be had, or the operation not by GET.
        FeedgraphError: the stream cannot begin.
    """
    if isinstance(prepared, Answer):
        answer = prepared
    elif not prepared.operation.is_subscription:
        refuse_mutation_by_get(request, prepared)
        work = execute(ctx, request.app[ENDPOINT].documents, prepared)
        answer = await (to_the_end(request, work) if prepared.operation.is_mutation else work)
    else:
        return await listen(request, ctx, prepared)
    if not answer.went_through:
        return respond(request, answer, LEGACY_TYPE)
    response = await begun(request)
    await response.write(b"event: next\ndata: %b\n\n%b" % (encoded(answer.body), COMPLETE))
    await response.write_eof()
    return response


async def listen(request: web.Request, ctx: RequestContext, prepared: Prepared) -> web.StreamResponse:
    """Stream a subscription until it is over or the client leaves."""
    connections, hub = request.app[CONNECTIONS], request.app[HUB]
    if request.version < HttpVersion11:
        raise RequestError("BAD_REQUEST", "A stream needs HTTP/1.1.")
    if connections.is_draining and request.method == hdrs.METH_GET:
        return await begun(request)  # not a 503: a browser's EventSource would take that as the end and never come back
    connections.require_open()
    with ctx.resources.budgets.lasting(ctx.caller):
        subscription = await opened(ctx, request.app[ENDPOINT].documents, prepared)
        if isinstance(subscription, Answer):
            return respond(request, subscription, LEGACY_TYPE)
        after = max(filter(None, (subscription.stream.after, last_seen(request))), default=None)
        cursor = await services.updates.start(ctx, after)  # what is wrong with it is told by the status
        response = await begun(request)
        listener = StreamListener(request, ctx)
        connections.open.add(listener)
        try:
            await hub.watch(listener, ctx)
            hub.listen(listener, subscription, cursor)
            await listener.over(response)
        finally:
            connections.open.discard(listener)
            hub.leave(listener)
            hub.unwatch(listener, ctx)
        return response


def last_seen(request: web.Request) -> EventCursor | None:
    """Return the position of a client that comes back.

    Raises:
        CursorInvalid: it is none of ours.
    """
    header = request.headers.get(LAST_EVENT_ID)
    return EventCursor.parse(header) if header else None


async def begun(request: web.Request) -> web.StreamResponse:
    """Return a stream whose head is on its way, with how long to wait before coming back after a break."""
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    retry_ms = random.randint(*RETRY_WINDOW_MS)  # noqa: S311  # it spreads load, it keeps no secret
    await response.write(b"retry: %d\n\n" % retry_ms)
    return response


class StreamListener(Listener):
    """One subscription as an event stream: listener and connection in one."""

    __slots__ = ("_over", "_request", "_stall", "_transport", "_wrote_at", "ctx")

    def __init__(self, request: web.Request, ctx: RequestContext) -> None:
        super().__init__(ctx, ctx.caller)
        if request.transport is None:
            raise ConnectionResetError("The client has left.")
        loop = asyncio.get_running_loop()
        self._request = request
        self.ctx = ctx
        self._transport = request.transport
        bound(self._transport, ctx.settings)
        self._over: asyncio.Future[bytes] = loop.create_future()  # what to say at the end
        self._stall = Stall(ctx.settings)
        self._wrote_at = loop.time()

    async def over(self, response: web.StreamResponse) -> None:
        """Wait for the end, and say what is to be said then."""
        last_words = await self._over
        if not self._has_read():
            self._transport.abort()  # it comes back with the last id that it saw
            return
        await response.write(last_words) if last_words else None
        await response.write_eof()

    def _has_read(self) -> bool:
        return self._transport.get_write_buffer_size() <= self.ctx.settings.ws_catch_up_bytes

    async def room(self) -> None:
        """Wait until there is room again."""
        await self._request.writer.drain()
        if self._over.done():
            raise ConnectionResetError("The stream is over.")

    def send(self, news: Sendable) -> bool:
        """Send as events unless the client does not read."""
        if self._over.done() or not self._has_read():
            return False
        self._write(news.chunk)
        return True

    def _write(self, chunk: bytes) -> None:
        if not self._over.done() and not self._transport.is_closing():
            self._wrote_at = asyncio.get_running_loop().time()
            self._transport.write(chunk)

    def finish(self, refusal: Answer | None = None) -> None:
        """Say that the stream is complete; a refusal is a last `next`, as this protocol has it."""
        told = b"event: next\ndata: %b\n\n" % orjson.dumps(refusal.body) if refusal else b""
        self._end(told + COMPLETE)

    def break_off(self) -> None:
        """End the connection; the client comes back by itself, from the last id that it saw."""
        self._end(b"")

    def _end(self, last_words: bytes) -> None:
        self.is_over = True
        if not self._over.done():
            self._over.set_result(last_words)

    def look_after(self, now: float) -> None:
        """Do what is due: end what lasts too long, let the client and what is in between see that the stream lives."""
        if self.ctx.viewer is not None and self.ctx.viewer.has_expired():
            self.signed_out()
        elif self._stall.lasts_too_long(self._transport.get_write_buffer_size(), now):
            self._request.app[CONNECTIONS].slow_closes += 1
            self.break_off()
        elif now - self._wrote_at >= self.ctx.settings.sse_heartbeat_s:
            self._write(COMMENT)

    def signed_out(self) -> None:
        """End it: the viewer's session has ended."""
        self.finish(failed(Unauthenticated(services.updates.SIGNED_OUT)))

    async def send_away(self, retry_ms: int) -> None:
        """End it, telling the client to come back after so many milliseconds."""
        self._end(b"retry: %d\n\n" % retry_ms)
