"""GraphQL over WebSocket: one socket, its operations as tasks, and the ends that it can come to."""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any, Final

import structlog
from aiohttp import WSMsgType, hdrs, web

from app import services
from app.domain.errors import FeedgraphError, Unauthenticated
from app.services.context import RequestContext
from app.transports.errors import CloseCode, RequestError, problem_of
from app.transports.exchange import RESOURCES, authenticated, bearer_token, to_the_end
from app.transports.graphql.endpoint import COST_HEADER, DOCUMENTS, PERSISTED
from app.transports.graphql.parameters import parameters_of
from app.transports.graphql.pipeline import Answer, Prepared, execute, failed, prepare, subscribe
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

log = structlog.get_logger(__name__)


SOCKETS: Final = web.AppKey("sockets", dict[web.WebSocketResponse, asyncio.Transport])  # the open ones of this process
CLOSE_TIMEOUT_S = 1.0  # for the peer's half of the closing handshake
CLOSE_CODES = {401: CloseCode.REFUSED, 500: CloseCode.UNEXPECTED}  # by the problem's status; else "try again later"
RETRY_WINDOW_MS = (200, 3_000)  # clients that are sent away come back spread over this time


def is_upgrade(request: web.Request) -> bool:
    """Say whether a request wants to become a WebSocket."""
    return request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"


async def handle(request: web.Request) -> web.StreamResponse:
    """Serve one socket until it closes.

    Raises:
        RequestError: the page that opens it belongs to an origin that is not allowed to.
    """
    check_origin(request)
    settings = request.app[RESOURCES].settings
    socket = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,),
        heartbeat=settings.ws_heartbeat_s,
        max_msg_size=settings.ws_max_message_bytes,
        timeout=CLOSE_TIMEOUT_S,
        compress=False,  # a post is too small to gain, and each compressor costs 90 KiB
    )
    await socket.prepare(request)
    if socket.ws_protocol != SUBPROTOCOL:
        await socket.close(code=CloseCode.SUBPROTOCOL, message=b"Subprotocol not acceptable")
        return socket
    transport = request.transport
    if transport is None:
        return socket  # gone already
    request.app[SOCKETS][socket] = transport
    try:
        await Connection(request, socket).run()
    finally:
        del request.app[SOCKETS][socket]
        # That of a client who does not read would stay open for ever, with what waits to be read.
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, transport.abort)
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


async def close_all(app: web.Application) -> None:
    """Send every client away, each with a moment of its own to come back, in milliseconds."""

    async def close(socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        retry_ms = random.randint(*RETRY_WINDOW_MS)  # noqa: S311  # it spreads load, it keeps no secret
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await socket.close(code=CloseCode.GOING_AWAY, message=str(retry_ms).encode())
        except TimeoutError:  # a client that does not read keeps even the close frame from leaving
            transport.abort()

    await asyncio.gather(*(close(*pair) for pair in app[SOCKETS].items()), return_exceptions=True)


class Connection:
    """One client's connection: what the protocol decides, done on the socket."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._request = request
        self._socket = socket
        self._protocol = Protocol()
        self._settings = request.app[RESOURCES].settings
        self._ctx: RequestContext | None = None  # the viewer of the whole connection; each operation has a context of its own
        self._tasks: set[asyncio.Task[None]] = set()
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._counted = ExitStack()  # leaves the count of its caller's sockets at the end

    async def run(self) -> None:
        """Receive until the socket closes, then end what is still running."""
        self._spawn(self._close_without_init())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._act(self._protocol.receive(message.data))
                elif message.type is WSMsgType.BINARY:
                    await self._close(CloseCode.MALFORMED, "Messages are text")
        finally:
            for task in self._tasks:
                task.cancel()
            self._counted.close()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _act(self, action: Action | None) -> None:
        match action:
            case Initialise(payload):
                await self._initialise(payload)
            case Start(id_, payload):
                self._start(id_, payload)
            case Stop(id_):
                if task := self._operations.pop(id_, None):
                    task.cancel()
            case Send(message):
                await self._send(message)
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
        except Exception as error:  # whatever it is: the socket must not stay without an answer
            problem = problem_of(error)
            await self._close(CLOSE_CODES.get(problem.status, CloseCode.TRY_AGAIN_LATER), problem.message)
            return
        if not self._counted.enter_context(ctx.resources.budgets.socket(ctx.caller)):
            await self._close(CloseCode.TOO_MANY_SOCKETS, "Too many sockets of one caller: use one for all operations")
            return
        ctx.wants_cost = payload.get(COST_HEADER, "") not in {"", "0"}
        self._ctx = ctx
        await self._send(self._protocol.acknowledge({"cursor": str(ctx.resources.tail.cursor)}))
        if ctx.viewer is not None:
            self._spawn(self._close_when_signed_out(ctx))

    def _start(self, id_: str, payload: dict[str, Any]) -> None:
        is_allowed = len(self._operations) < self._settings.ws_max_operations
        self._operations[id_] = self._spawn(self._operate(id_, payload, is_allowed=is_allowed))

    async def _operate(self, id_: str, payload: dict[str, Any], *, is_allowed: bool) -> None:
        """Run one operation to its end and say so; a refused one ends with `error` for its id alone."""
        try:
            if not is_allowed:
                limit = self._settings.ws_max_operations
                raise RequestError("TOO_MANY_OPERATIONS", f"At most {limit} operations may run on one socket.")
            assert self._ctx is not None  # noqa: S101  # the protocol lets no operation start before the acknowledgement
            prepared = await prepare(self._ctx, self._request.app[PERSISTED], parameters_of(payload))
        except Exception as error:  # whatever it is: the operation must not stay without an answer
            prepared = failed(error)
        refusal = prepared if isinstance(prepared, Answer) else await self._answer(id_, prepared)
        if refusal and refusal.refusal:
            self._request.app[RESOURCES].metrics.refusals.add(refusal.refusal.code)
        self._operations.pop(id_, None)  # before the last message: from then on the client may use the id again
        await self._send(self._protocol.error(id_, refusal.errors) if refusal else self._protocol.complete(id_))

    async def _answer(self, id_: str, prepared: Prepared) -> Answer | None:
        """Send the results; return the answer that refuses the operation or ends it before its time."""
        assert self._ctx is not None  # noqa: S101  # the protocol lets no operation start before the acknowledgement
        ctx, documents = self._ctx.for_next_event(), self._request.app[DOCUMENTS]
        if prepared.is_subscription:
            async for answer in subscribe(ctx, documents, prepared):
                if answer.refusal:
                    return answer
                await self._send(self._protocol.next(id_, answer.body))
            return None
        work = execute(ctx, documents, prepared)
        answer = await (to_the_end(self._request, work) if prepared.is_mutation else work)
        if answer.refusal:
            return answer
        await self._send(self._protocol.next(id_, answer.body))
        return None

    async def _close_without_init(self) -> None:
        await asyncio.sleep(self._settings.ws_init_timeout_s)
        if self._protocol.state is State.NEW:
            await self._close(CloseCode.INIT_TIMEOUT, "Connection initialisation timeout")

    async def _close_when_signed_out(self, ctx: RequestContext) -> None:
        try:
            await services.updates.until_signed_out(ctx)
        except FeedgraphError as error:  # the log cannot be read: whether the session still holds is not known
            await self._close(CloseCode.TRY_AGAIN_LATER, error.message)
        else:
            await self._close(CloseCode.REFUSED, services.updates.SIGNED_OUT)

    async def _send(self, message: bytes) -> None:
        # A client that does not read makes this wait. Nothing piles up meanwhile: its operations are positions in the log.
        if not self._socket.closed:
            await self._socket.send_frame(message, WSMsgType.TEXT)

    async def _close(self, code: int, reason: str) -> None:
        # A close frame holds at most 123 bytes of reason, and a character cut in two would make it unreadable.
        shortened = reason.encode()[:120].decode(errors="ignore")
        await self._socket.close(code=code, message=shortened.encode())

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
