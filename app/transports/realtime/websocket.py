"""GraphQL over WebSocket: one socket, the operations on it, and the ends that it can come to."""

import asyncio
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any

import structlog
from aiohttp import WSMsgType, hdrs, web

from app import services
from app.domain.budgets import Caller
from app.domain.errors import Unauthenticated
from app.domain.events import EventCursor
from app.services.context import RequestContext
from app.transports.errors import CloseCode, RequestError, problem_of
from app.transports.exchange import COST_HEADER, RESOURCES, authenticated, bearer_token, to_the_end
from app.transports.graphql.endpoint import ENDPOINT
from app.transports.graphql.parameters import parameters_of
from app.transports.graphql.pipeline import Answer, Prepared, execute, failed, prepare
from app.transports.graphql.subscriptions import opened
from app.transports.realtime.connections import CONNECTIONS, bound
from app.transports.realtime.graphql_transport_ws import (
    SUBPROTOCOL,
    Action,
    Close,
    Initialise,
    Protocol,
    Send,
    Start,
    State,
    Stop,
)
from app.transports.realtime.hub import HUB
from app.transports.realtime.listening import Listener
from app.transports.realtime.news import Sendable, frame_header, id_tail
from app.transports.realtime.pace import Pace, Stall

log = structlog.get_logger(__name__)

CLOSE_TIMEOUT_S = 1.0  # for the peer's half of the closing handshake
LINGER_S = 10.0  # for a slow client to come to the close frame that has its cursor
CLOSE_CODES = {401: CloseCode.REFUSED, 500: CloseCode.UNEXPECTED}  # by the problem's status; else "try again later"
PING_FRAME = b"\x89\x00"  # RFC 6455, 5.5.2


def is_upgrade(request: web.Request) -> bool:
    """Say whether a request wants to become a WebSocket."""
    return request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"


async def handle(request: web.Request) -> web.StreamResponse:
    """Serve one socket until it closes.

    Raises:
        RequestError: the page that opens it belongs to an origin that is not allowed to, or the server is stopping.
    """
    check_origin(request)
    connections = request.app[CONNECTIONS]
    connections.require_open()
    settings = request.app[RESOURCES].settings
    socket = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,),
        max_msg_size=settings.ws_max_message_bytes,
        timeout=CLOSE_TIMEOUT_S,
        autoping=False,  # what the client sends tells that it lives; the sweep asks it
        compress=False,  # a post is too small to gain, each compressor costs 90 KiB, and frames are written whole without one
    )
    await socket.prepare(request)
    if socket.ws_protocol != SUBPROTOCOL:
        await socket.close(code=CloseCode.SUBPROTOCOL, message=b"Subprotocol not acceptable")
        return socket
    transport = request.transport
    if transport is None:
        return socket  # gone already
    bound(transport, settings)
    connection = SocketConnection(request, socket, transport)
    connections.open.add(connection)
    try:
        await connection.run()
    finally:
        connections.open.discard(connection)
        # That of a client who does not read would stay open for ever, with what waits to be read.
        asyncio.get_running_loop().call_later(connection.linger_s, transport.abort)
    return socket


def check_origin(request: web.Request) -> None:
    """Refuse sockets that a foreign page opens: browsers do not ask us first, but they tell the page's origin.

    Raises:
        RequestError: the origin is neither ours nor in FEEDGRAPH_ALLOWED_ORIGINS.
    """
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or origin.lower() in {f"{scheme}://{request.host.lower()}" for scheme in ("http", "https")}:
        return
    if origin.lower().rstrip("/") not in request.app[RESOURCES].settings.allowed_origins:
        raise RequestError("FORBIDDEN", "Pages of this origin may not open sockets here (FEEDGRAPH_ALLOWED_ORIGINS).")


class SocketListener(Listener):
    """One subscription on a socket."""

    __slots__ = ("_connection", "_tail", "_transport", "id")

    def __init__(self, connection: "SocketConnection", transport: asyncio.Transport, id_: str) -> None:
        super().__init__(connection.ctx, connection.caller)
        self._connection = connection
        self._transport = transport
        self._tail = id_tail(id_)
        self.id = id_

    async def room(self) -> None:
        """Wait until there is room again."""
        await self._connection.room()

    def send(self, news: Sendable) -> bool:
        """Send as `next` unless the client does not read."""
        connection, transport = self._connection, self._transport
        if connection.is_closing or transport.get_write_buffer_size() > connection.room_bytes:
            return False
        transport.write(news.frame(self._tail))
        return True

    def finish(self, refusal: Answer | None = None) -> None:
        """Send `complete`, or the `error` that refuses it."""
        self._connection.end(self.id, refusal)

    def break_off(self) -> None:
        """Close the socket so that the client comes back later."""
        self._connection.close_soon(CloseCode.TRY_AGAIN_LATER, "We cannot go on: come back in a moment, with your cursor.")


class SocketConnection:
    """One client's socket: what the protocol decides, done on the wire. Frames are written whole, so none can break another."""

    __slots__ = (
        *("_closing", "_counted", "_heard_at", "_hub", "_opened_at", "_operations", "_pace", "_pinged_at"),
        *("_protocol", "_request", "_settings", "_socket", "_stall", "_tasks", "_transport"),
        *("caller", "ctx", "is_closing", "linger_s", "room_bytes"),
    )

    ctx: RequestContext  # the viewer of the whole connection; each operation has a context of its own
    caller: Caller

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        now = asyncio.get_running_loop().time()
        self._request = request
        self._socket = socket
        self._transport = transport
        self._protocol = Protocol()
        self._settings = settings = request.app[RESOURCES].settings
        self.room_bytes = settings.ws_catch_up_bytes
        self._hub = request.app[HUB]
        self._tasks: set[asyncio.Task[None]] = set()
        self._operations: dict[str, asyncio.Task[None] | SocketListener] = {}
        self._counted = ExitStack()  # leaves the count of its caller's sockets at the end
        self._pace = Pace(settings.ws_messages_per_s, settings.ws_max_operations, now)
        self._stall = Stall(settings)
        self._opened_at = self._heard_at = now
        self._pinged_at: float | None = None
        self.is_closing = False
        self._closing: asyncio.Task[None] | None = None
        self.linger_s = CLOSE_TIMEOUT_S

    async def run(self) -> None:
        """Receive until the socket closes, then end what is still running."""
        loop = asyncio.get_running_loop()
        try:
            async for message in self._socket:
                self._heard_at, self._pinged_at = loop.time(), None
                await self._pace.keep(self._heard_at)
                if message.type is WSMsgType.TEXT:
                    await self._act(self._protocol.receive(message.data))
                elif message.type is WSMsgType.PING:
                    await self._socket.pong(message.data)
                elif message.type is WSMsgType.BINARY:
                    await self._close(CloseCode.MALFORMED, "Messages are text")
        finally:
            self.is_closing = True
            self._end_operations()
            if self._protocol.state is State.ACKNOWLEDGED:
                self._hub.unwatch(self, self.ctx)
            self._counted.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._closing is not None:  # the client shall see why
                await asyncio.wait((self._closing,))

    async def _act(self, action: Action | None) -> None:
        match action:
            case Initialise(payload):
                await self._initialise(payload)
            case Start(id_, payload):
                self._start(id_, payload)
            case Stop(id_):
                self._stop(self._operations.pop(id_, None))
            case Send(message):
                await self._write(message)
            case Close(code, reason):
                await self._close(code, reason)

    async def _initialise(self, payload: dict[str, Any]) -> None:
        try:
            ctx = await authenticated(self._request)
            header = payload.get("Authorization") or payload.get("authorization")
            if header is not None:
                if not isinstance(header, str):
                    raise Unauthenticated
                ctx.viewer = await services.sessions.authenticate(ctx, bearer_token(header))
            self.ctx, self.caller = ctx, ctx.caller
            await self._hub.watch(self, ctx)
        except Exception as error:  # whatever it is: the socket must not stay without an answer
            problem = problem_of(error)
            await self._close(CLOSE_CODES.get(problem.status, CloseCode.TRY_AGAIN_LATER), problem.message)
            return
        if not self._counted.enter_context(ctx.resources.budgets.socket(self.caller)):
            self._hub.unwatch(self, ctx)
            await self._close(CloseCode.TOO_MANY_SOCKETS, "Too many sockets of one caller: use one for all operations")
            return
        ctx.wants_cost = payload.get(COST_HEADER, "") not in {"", "0"}
        await self._write(self._protocol.acknowledge({"cursor": str(ctx.resources.tail.cursor)}))

    def _start(self, id_: str, payload: dict[str, Any]) -> None:
        is_allowed = len(self._operations) < self._settings.ws_max_operations
        self._operations[id_] = self._spawn(self._operate(id_, payload, is_allowed=is_allowed))

    async def _operate(self, id_: str, payload: dict[str, Any], *, is_allowed: bool) -> None:
        """Run one operation to its end, or let it listen; a refused one ends with `error` for its id alone."""
        refusal: Answer | None = None
        try:
            if not is_allowed:
                limit = self._settings.ws_max_operations
                raise RequestError("TOO_MANY_OPERATIONS", f"At most {limit} operations may run on one socket.")
            prepared = await prepare(self.ctx, self._request.app[ENDPOINT].persisted, parameters_of(payload))
            if isinstance(prepared, Answer):
                refusal = prepared
            elif prepared.operation.is_subscription:
                refusal = await self._listen(id_, prepared)
                if refusal is None:
                    return
            else:
                refusal = await self._answer(id_, prepared)
        except ConnectionError:
            return
        except Exception as error:  # whatever it is: the operation must not stay without an answer
            refusal = failed(error)
        if refusal and refusal.refusal:
            self._request.app[RESOURCES].metrics.refusals.add(refusal.refusal.code)
        self.end(id_, refusal)

    async def _listen(self, id_: str, prepared: Prepared) -> Answer | None:
        """Let a subscription hear what happens; return the answer that refuses it."""
        ctx = self.ctx.for_next_event()
        subscription = await opened(ctx, self._request.app[ENDPOINT].documents, prepared)
        if isinstance(subscription, Answer):
            return subscription
        cursor = await services.updates.start(ctx, subscription.stream.after)
        listener = self._operations[id_] = SocketListener(self, self._transport, id_)
        self._hub.listen(listener, subscription, cursor)
        return None

    async def _answer(self, id_: str, prepared: Prepared) -> Answer | None:
        """Send the result; return the answer that refuses the operation."""
        work = execute(self.ctx.for_next_event(), self._request.app[ENDPOINT].documents, prepared)
        answer = await (to_the_end(self._request, work) if prepared.operation.is_mutation else work)
        if answer.refusal:
            return answer
        await self._write(self._protocol.next(id_, answer.body))
        return None

    def end(self, id_: str, refusal: Answer | None) -> None:
        """Say that an operation is over; from then on the client may use its id again."""
        self._stop(self._operations.pop(id_, None))
        message = self._protocol.error(id_, refusal.errors) if refusal else self._protocol.complete(id_)
        self.write_frame(frame_header(len(message)) + message)

    def _stop(self, operation: "asyncio.Task[None] | SocketListener | None") -> None:
        if isinstance(operation, SocketListener):
            self._hub.leave(operation)
        elif operation is not None and operation is not asyncio.current_task():
            operation.cancel()

    def _end_operations(self) -> None:
        for operation in self._operations.values():
            self._stop(operation)
        self._operations.clear()

    # What is due.

    def look_after(self, now: float) -> None:
        """Do what is due: end what lasts too long, ask whether the client is there."""
        if not self.is_closing:
            self._end_if_due(now)
            self._beat(now)

    def _end_if_due(self, now: float) -> None:
        if self._protocol.state is not State.ACKNOWLEDGED:
            if self._protocol.state is State.NEW and now - self._opened_at >= self._settings.ws_init_timeout_s:
                self.close_soon(CloseCode.INIT_TIMEOUT, "Connection initialisation timeout")
        elif self.ctx.viewer is not None and self.ctx.viewer.has_expired():
            self.signed_out()
        elif self._stall.lasts_too_long(self._transport.get_write_buffer_size(), now):
            self._request.app[CONNECTIONS].slow_closes += 1
            self.linger_s = LINGER_S
            self.close_soon(CloseCode.SLOW_CONSUMER, str(self._position()))

    def _beat(self, now: float) -> None:
        """Ask a silent client whether it is there, and give up on one that does not answer."""
        if self._pinged_at is not None:
            if now - self._pinged_at >= self._settings.ws_heartbeat_s / 2:
                self.is_closing = True
                self._transport.abort()  # half of a connection: nobody is there to say goodbye to
        elif now - self._heard_at >= self._settings.ws_heartbeat_s:
            self._pinged_at = now
            self.write_frame(PING_FRAME)

    def _position(self) -> EventCursor:
        """Return the cursor from which the client misses nothing on any of its subscriptions."""
        listeners = [operation for operation in self._operations.values() if isinstance(operation, SocketListener)]
        return min((self._hub.position_of(listener) for listener in listeners), default=self._hub.cursor)

    def signed_out(self) -> None:
        """End it: the viewer's session has ended."""
        self._end_operations()
        self.close_soon(CloseCode.REFUSED, services.updates.SIGNED_OUT)

    async def send_away(self, retry_ms: int) -> None:
        """Close it with the time after which to come back as the reason."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._close(CloseCode.GOING_AWAY, str(retry_ms))
        except TimeoutError:  # a client that does not read keeps even the close frame from leaving
            self._transport.abort()

    # Writing.

    async def room(self) -> None:
        """Wait until the client has read most of what was sent to it.

        Raises:
            ConnectionError: it is gone.
        """
        await self._request.writer.drain()
        if self.is_closing:
            raise ConnectionResetError("The socket is closing.")

    def write_frame(self, frame: bytes) -> None:
        """Write a whole frame; never waits."""
        if not self.is_closing and not self._transport.is_closing():
            self._transport.write(frame)

    async def _write(self, message: bytes) -> None:
        await self.room()
        self.write_frame(frame_header(len(message)) + message)

    async def _close(self, code: int, reason: str) -> None:
        # A close frame holds at most 123 bytes of reason, and a character cut in two would make it unreadable.
        self.is_closing = True
        shortened = reason.encode()[:120].decode(errors="ignore")
        await self._socket.close(code=code, message=shortened.encode(), drain=False)

    def close_soon(self, code: int, reason: str) -> None:
        """Close it without waiting for that."""
        if not self.is_closing:
            self.is_closing = True
            self._end_operations()
            self._closing = asyncio.ensure_future(guarded(self._close(code, reason)))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # a task that is cancelled before its first step never touches it
        return task


async def guarded(work: Coroutine[Any, Any, None]) -> None:
    """Run a task of a socket; a peer that went away is no fault of ours."""
    try:
        await work
    except ConnectionError:
        log.debug("socket_gone")
    except Exception as error:
        log.error("socket_task_failed", exc_info=error)
