"""One stream from its request to its status: written as fast as its reader reads, and ended with a cursor to go on from.

A listener is a position in the log, so nothing waits here for a slow reader but the one event being written. HTTP/2's flow
control makes the write wait; a reader who leaves it waiting for too long is sent away.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from app import services
from app.domain.errors import Throttled, Unauthenticated
from app.domain.events import EventCursor
from app.services.context import RequestContext
from app.transports.errors import RequestError
from app.transports.grpc.calls import Call, Face, answered, metadata_of
from app.transports.grpc.requests import parsed, viewer_of
from app.transports.grpc.statuses import Trailers

CURSOR_KEY = "feedgraph-cursor"
RETRY_WINDOW_S = (0.2, 3.0)  # clients that are sent away come back spread over this time


class Updates(Protocol):
    """What a stream tells."""

    @property
    def cursor(self) -> EventCursor:
        """The place up to which everything has been given."""

    async def batch(self) -> list[Any] | None:
        """Wait until there may be something new; return its messages, each with the wire form of its cursor; None: the end."""


Source = Callable[[RequestContext, Any], Awaitable[Updates]]


class Position:
    """Where a stream stands: `cursor` is the wire form of the place behind what was written; "" before it began."""

    def __init__(self) -> None:
        self.cursor = ""

    @property
    def trailers(self) -> Trailers:
        """The metadata that tell from where to go on."""
        return ((CURSOR_KEY, self.cursor),) if self.cursor else ()


def stream(face: Face, method: MethodDescriptor, source: Source) -> "grpc.RpcMethodHandler[Any, Any]":
    """Return what answers a method that has one request and a stream of responses, each with a cursor."""
    kind: type[Message] = GetMessageClass(method.input_type)

    async def handle(body: bytes, call: Call) -> None:
        position = Position()
        async with answered(face, method, call, more=lambda: position.trailers) as ctx:
            request = parsed(body, kind)
            ctx.viewer = await viewer_of(ctx, metadata_of(call))
            with ctx.resources.budgets.lasting(ctx.caller):
                updates = await source(ctx, request)
                ends = [drained(face), signed_out(ctx)] if ctx.viewer else [drained(face)]
                await until_one_ends(written(ctx, call, updates, position), *ends)

    return grpc.unary_stream_rpc_method_handler(handle)


async def until_one_ends(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all parts until the first one ends; raise what it raises."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def written(ctx: RequestContext, call: Call, updates: Updates, position: Position) -> None:
    """Write each update when the reader has room for it, to the end where there is one.

    Raises:
        RequestError: the reader left one unread for too long.
    """
    limit_s = ctx.settings.grpc_write_timeout_s
    position.cursor = str(updates.cursor)
    await call.send_initial_metadata(position.trailers)
    while (batch := await updates.batch()) is not None:
        for update in batch:
            await pay(ctx)
            position.cursor = update.cursor  # before it is written: an interrupted write still arrives ahead of the status
            try:
                async with asyncio.timeout(limit_s):
                    await call.write(update.SerializeToString())
            except TimeoutError:
                message = f"You left an event unread for {limit_s:g} seconds: come back with the cursor."
                raise RequestError("SLOW_CONSUMER", message) from None
        position.cursor = str(updates.cursor)


async def pay(ctx: RequestContext) -> None:
    """Charge the caller for one event, waiting until there is a point: who outruns their budget is slowed and misses nothing."""
    while True:
        try:
            await ctx.resources.budgets.pay(ctx.caller, 1)
        except Throttled as error:
            await asyncio.sleep(error.retry_after_s)
        else:
            return


async def drained(face: Face) -> None:
    """Wait until the server goes away.

    Raises:
        RequestError: it does.
    """
    await face.draining.wait()
    retry_after_s = round(random.uniform(*RETRY_WINDOW_S), 3)  # noqa: S311  # it spreads load, it keeps no secret
    message = "The server is going away: come back with the cursor."
    raise RequestError("GOING_AWAY", message, details={"retryAfter": retry_after_s})


async def signed_out(ctx: RequestContext) -> None:
    """Wait until the viewer's session ends.

    Raises:
        Unauthenticated: it did.
    """
    await services.updates.until_signed_out(ctx)
    raise Unauthenticated(services.updates.SIGNED_OUT)
