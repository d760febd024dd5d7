"""One call from its bytes to its status: who asks, what it may cost, until when, and how it ends."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from app.domain.errors import DeadlineExceeded
from app.services.context import RequestContext, Resources
from app.transports.errors import RequestError, problem_of
from app.transports.exchange import COUNTS_HEADER, counts_header
from app.transports.grpc.requests import address_of, parsed, points_of, points_shown, viewer_of
from app.transports.grpc.statuses import Trailers, details_of, status_of

log = structlog.get_logger("feedgraph.grpc")

Result = TypeVar("Result")
Call = grpc.aio.ServicerContext[Any, Any]
Unary = Callable[[RequestContext, Any], Awaitable[Message]]

COUNTS_KEY = COUNTS_HEADER.lower()
REFUSAL_S = 1.0  # for a status to leave; that of a caller who does not read stays behind and reaches them when they do


@dataclass(frozen=True, slots=True)
class Face:
    """What the calls of one server share."""

    resources: Resources
    unfinished: set[asyncio.Task[Any]] = field(default_factory=set)  # writes that go on although their caller has left
    draining: asyncio.Event = field(default_factory=asyncio.Event)


def is_read(method: MethodDescriptor) -> bool:
    """Say whether a method only looks: its name begins with Get."""
    return method.name.startswith("Get")


def unary(face: Face, method: MethodDescriptor, work: Unary) -> "grpc.RpcMethodHandler[Any, Any]":
    """Return what answers a method that has one request and one response."""
    kind: type[Message] = GetMessageClass(method.input_type)

    async def handle(body: bytes, call: Call) -> bytes:
        async with answered(face, method, call) as ctx:
            job = within(deadline_s(ctx, call, method), answer(ctx, call, body, kind))
            message = await (job if is_read(method) else to_the_end(face, job))
            call.set_trailing_metadata(trailers(ctx, call, message))
        return message

    async def answer(ctx: RequestContext, call: Call, body: bytes, kind: type[Message]) -> bytes:
        request = parsed(body, kind)
        ctx.viewer = await viewer_of(ctx, metadata_of(call))
        async with paid(ctx, points_of(request, is_write=not is_read(method), largest_page=ctx.settings.max_page_size)) as bill:
            response = await work(ctx, request)
            bill.shown = points_shown(response)
        return response.SerializeToString()

    return grpc.unary_unary_rpc_method_handler(handle)


@asynccontextmanager
async def answered(
    face: Face, method: MethodDescriptor, call: Call, *, more: Callable[[], Trailers] = tuple
) -> AsyncIterator[RequestContext]:
    """Give the context of a call; whatever fails in it leaves as a status, masked where it was not meant, with one log line.

    `more` gives what else is told at the end of a call that fails.
    """
    started, code, status = time.perf_counter(), "CANCELLED", 499  # the caller left before there was an answer
    ctx = RequestContext(face.resources, address=address_of(call.peer()))
    with structlog.contextvars.bound_contextvars(request_id=secrets.token_hex(8)):
        try:
            yield ctx
            code, status = "OK", 200
        except Exception as error:  # the table in transports/errors.py says what each becomes
            problem = problem_of(error)
            code, status = problem.code, problem.status
            with suppress(TimeoutError):
                async with asyncio.timeout(REFUSAL_S):
                    details = details_of(problem, method.input_type) + trailers(ctx, call, b"") + more()
                    await call.abort(status_of(problem), problem.message, trailing_metadata=details)
        finally:
            ctx.loaders.stop()
            seconds = time.perf_counter() - started
            if not method.server_streaming:  # the life of a stream is no latency
                ctx.resources.metrics.observe_request("grpc", status, seconds)
            ms, statements = round(seconds * 1000, 1), ctx.counts.statements
            log.info("call", method=method.full_name, code=code, ms=ms, statements=statements)


@dataclass(slots=True)
class Bill:
    """What a call turned out to cost, in points; None: all that was asked for."""

    shown: int | None = None


@asynccontextmanager
async def paid(ctx: RequestContext, points: int) -> AsyncIterator[Bill]:
    """Charge the caller for a call while it runs; what was not needed comes back where it ends well.

    Raises:
        RequestError: it may cost more than any call may.
        Overloaded, Throttled: too much runs already; the caller has not enough points left.
    """
    if points > ctx.settings.max_cost:
        message = f"The call may cost {points:,} points, more than {ctx.settings.max_cost:,}: ask for less or in several calls."
        raise RequestError("COST_ESTIMATED_TOO_EXPENSIVE", message)
    budgets, caller, bill = ctx.resources.budgets, ctx.caller, Bill()
    with budgets.running(caller):
        await budgets.pay(caller, points)
        yield bill
    if bill.shown is not None and bill.shown < points:
        await budgets.refund(caller, points - bill.shown)


def metadata_of(call: Call) -> dict[str, str | bytes]:
    """Return what the caller sent beside the request; of a key that came twice, the last value."""
    return {str(key): value for key, value in call.invocation_metadata() or ()}


def deadline_s(ctx: RequestContext, call: Call, method: MethodDescriptor) -> float:
    """Return in how many seconds a call must be done: the server's limit, or less where the caller says so."""
    longest_s = ctx.settings.query_timeout_s if is_read(method) else ctx.settings.mutation_timeout_s
    left_s = call.time_remaining()
    return longest_s if left_s is None else min(longest_s, left_s)


async def within(deadline_s: float, work: Awaitable[Result]) -> Result:
    """Return what the work gives, or stop it, and with it the statement that runs, at its deadline.

    Raises:
        DeadlineExceeded: it took longer.
    """
    try:
        async with asyncio.timeout(deadline_s):
            return await work
    except TimeoutError:
        raise DeadlineExceeded("The call took longer than its deadline and was stopped: ask for less.") from None


async def to_the_end(face: Face, work: Coroutine[Any, Any, Result]) -> Result:
    """Run a write to its end even if the caller leaves: a caller who comes back must not find half of what was asked."""
    task = asyncio.ensure_future(work)
    face.unfinished.add(task)
    task.add_done_callback(face.unfinished.discard)
    return await asyncio.shield(task)


def trailers(ctx: RequestContext, call: Call, body: bytes) -> Trailers:
    """Return what is told at a call's end: what it cost, where the caller asks by the metadata `feedgraph-counts`."""
    wishes = metadata_of(call).get(COUNTS_KEY, "")
    return ((COUNTS_KEY, counts_header(ctx.counts, body)),) if wishes not in {"", "0"} else ()
