"""One call from its bytes to its status: who asks, what it may cost, until when, and how it ends."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from app import services
from app.domain.budgets import Charge
from app.domain.errors import DeadlineExceeded, Overloaded, TooManyOperations
from app.services.context import RequestContext, Resources
from app.transports.errors import RequestError, problem_of
from app.transports.exchange import COUNTS_HEADER, counts_header, rate_limit_headers
from app.transports.grpc.requests import address_of, parsed, rows_of, rows_shown, viewer_of
from app.transports.grpc.statuses import Trailers, details_of, status_of

log = structlog.get_logger("feedgraph.grpc")

Result = TypeVar("Result")
Call = grpc.aio.ServicerContext[Any, Any]
Unary = Callable[[RequestContext, Any], Awaitable[Message]]

WRITE_POINTS = 10  # as a mutation of GraphQL
COUNTS_KEY = COUNTS_HEADER.lower()
REFUSAL_S = 1.0  # for a status to leave; that of a caller who does not read stays behind and reaches them when they do


@dataclass(frozen=True, slots=True)
class Face:
    """What the calls of one server share."""

    resources: Resources
    draining: asyncio.Event = field(default_factory=asyncio.Event)


def is_read(method: MethodDescriptor) -> bool:
    """Say whether a method only looks: its name begins with Get."""
    return method.name.startswith("Get")


def unary(face: Face, method: MethodDescriptor, work: Unary) -> "grpc.RpcMethodHandler[Any, Any]":
    """Return what answers a method that has one request and one response."""
    kind: type[Message] = GetMessageClass(method.input_type)

    async def handle(body: bytes, call: Call) -> bytes:
        message = b""  # where a refusal could not leave, nothing else does
        async with answered(face, method, call) as ctx:
            job = within(deadline_s(ctx, call, method), answer(ctx, call, body, kind))
            message = await (job if is_read(method) else face.resources.to_the_end(job))
            call.set_trailing_metadata(trailers(ctx, call, message))
        return message

    async def answer(ctx: RequestContext, call: Call, body: bytes, kind: type[Message]) -> bytes:
        request = parsed(body, kind)
        ctx.viewer = await viewer_of(ctx, metadata_of(call))
        async with admitted(ctx, request, is_write=not is_read(method)) as admission:
            admission.response = await work(ctx, request)
        return admission.response.SerializeToString()

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
            ctx.resources.metrics.refusals.add(code)
            with suppress(TimeoutError):
                async with asyncio.timeout(REFUSAL_S):
                    details = details_of(problem, method.input_type) + trailers(ctx, call, b"") + more()
                    await call.abort(status_of(problem), problem.message, trailing_metadata=details)
        finally:
            ctx.end()
            seconds = time.perf_counter() - started
            if not method.server_streaming:  # the life of a stream is no latency
                ctx.resources.metrics.observe_request("grpc", status, seconds)
            ms, statements = round(seconds * 1000, 1), ctx.counts.statements
            log.info("call", method=method.full_name, code=code, ms=ms, statements=statements)


@dataclass(slots=True)
class Admission:
    """A call that was let in; what its response shows is what it costs in the end."""

    response: Message = field(default_factory=Empty)


@asynccontextmanager
async def admitted(ctx: RequestContext, request: Message, *, is_write: bool, lasts: bool = False) -> AsyncIterator[Admission]:
    """Let a call in, whatever its kind: charge the caller for what it may hold, count it while it runs (what `lasts` as long as
    the caller wants, among their streams), and give back at its end what it did not need.

    Raises:
        RequestError: it may hold more than any request may ask for.
        Throttled: the caller has not enough points left.
        Overloaded, TooManyOperations: too much runs already, and the points come back.
    """
    rows = rows_of(request, largest_page=ctx.settings.max_page_size)
    cost, caller, budgets = 1 + rows + WRITE_POINTS * is_write, ctx.caller, ctx.resources.budgets
    if reason := services.budgets.too_large(nodes=rows, cost=cost, limits=ctx.settings):
        raise RequestError(*reason)
    charge = Charge(cost, rows, 0)
    await services.budgets.charge(ctx, caller, charge, cost)
    admission = Admission()
    try:
        with budgets.lasting(caller) if lasts else budgets.running(caller):
            yield admission
    except (Overloaded, TooManyOperations):
        await services.budgets.settle(ctx, caller, charge, 0)
        raise
    await services.budgets.settle(ctx, caller, charge, 1 + rows_shown(admission.response) + WRITE_POINTS * is_write)


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


def trailers(ctx: RequestContext, call: Call, body: bytes) -> Trailers:
    """Return what is told at a call's end: what the caller has left of their budget (RateLimit fields of IETF draft-10), and
    what the call took, where they ask by the metadata `feedgraph-counts`."""
    told: dict[str, str | bytes] = {}
    if ctx.charge:
        fields = rate_limit_headers(ctx.resources.budgets.standing(ctx.caller))
        told |= {name.lower(): fields[name] for name in ("RateLimit-Policy", "RateLimit")}
    if metadata_of(call).get(COUNTS_KEY, "") not in {"", "0"}:
        told[COUNTS_KEY] = counts_header(ctx.counts, body)
    return tuple(told.items())
