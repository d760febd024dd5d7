"""Subscriptions: admitted like queries, then answered event by event, the same answer for all who ask the same."""

import math
from dataclasses import dataclass
from typing import Any, cast

import orjson
from graphql import ExecutionResult, GraphQLError
from graphql.execution import create_source_event_stream
from graphql.execution.executor import Executor

from app.domain.budgets import Charge, Standing
from app.domain.errors import DeadlineExceeded, NotFound, Unavailable
from app.domain.events import EventCursor, Gap
from app.domain.models import Job, Post
from app.engine import Completing
from app.infra.deadline import Deadline
from app.services.context import RequestContext
from app.services.posts import NO_SUCH_POST
from app.services.streams import Stream
from app.transports.errors import RequestError
from app.transports.graphql.admission import Bill, shown_cost
from app.transports.graphql.documents import Documents, Operation
from app.transports.graphql.pipeline import Answer, Prepared, answered, failed, made_ready, shortened
from app.transports.graphql.sharing import Sharing
from app.transports.graphql.streams import Source

GAP_MESSAGE = "Events behind your cursor are gone from the log: read the state again, then go on from extensions.cursor."

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription that was admitted. Those with the same key hear the same from the same position on."""

    key: Key
    stream: Stream
    bill: Bill
    operation: Operation
    executor: Executor[Any]
    ctx: RequestContext  # of the viewer whose eyes the answers are made for: nobody's, where all see the same
    wants_cost: bool

    async def shown(self, subject: Post | Job | None, cursor: EventCursor) -> tuple[dict[str, Any], int]:
        """Return the answer to one event, its position beside it, and its cost; it is executed with nothing loaded yet.

        Raises:
            Unavailable: the database was away meanwhile.
        """
        executor = cast("Completing", self.executor.build_per_event_executor(subject))
        executor.context_value = ctx = self.ctx.for_next_event()
        try:
            with Deadline(ctx.settings.query_timeout_s):
                answer = await answered(ctx, self.operation, executor.variable_values, lambda: executor)
        except TimeoutError:
            answer = failed(DeadlineExceeded())
            answer.refusal = None  # an event that could not be shown in time leaves data null; the stream goes on
        finally:
            ctx.end()
        if any(error["extensions"]["code"] == Unavailable.code for error in answer.errors):
            raise Unavailable
        answer.extensions["cursor"] = str(cursor)
        return answer.body, self._cost(answer)

    def _cost(self, answer: Answer) -> int:
        requested = self.bill.charge.requested
        if answer.data is None or answer.errors:
            return requested
        return min(requested, math.ceil(self.bill.formula.actual(self.bill.estimate, answer.data)))


def with_cost(payload: dict[str, Any], charge: Charge, left: Standing) -> dict[str, Any]:
    """Return a payload that also tells one caller what it cost them and what they have left."""
    return payload | {"extensions": payload["extensions"] | {"cost": shown_cost(charge, left)}}


def gap_payload(gap: Gap) -> dict[str, Any]:
    """Return what tells a listener that it missed something."""
    return {
        "errors": [{"message": GAP_MESSAGE, "extensions": {"code": "REPLAY_GAP"}}],
        "data": None,
        "extensions": {"cursor": str(gap.end), "gap": {"from": str(gap.start), "to": str(gap.end)}},
    }


def gone_payload(cursor: EventCursor) -> dict[str, Any]:
    """Return what tells a listener that the one thing it listens to is gone, or hidden from it since."""
    answer = failed(NotFound(NO_SUCH_POST))
    return {"errors": answer.errors, "data": None, "extensions": {"cursor": str(cursor)}}


async def opened(ctx: RequestContext, documents: Documents, prepared: Prepared) -> Subscription | Answer:
    """Admit a subscription; return it, or the answer that refuses it."""
    ready = await made_ready(ctx, documents, prepared)
    if isinstance(ready, Answer):
        return ready
    executor = ready.executor(ctx)
    source = create_source_event_stream(executor)
    source = await source if executor.is_awaitable(source) else source
    if isinstance(source, ExecutionResult):
        return failed(reason(source.errors or []))
    sharing = ready.operation.sharing
    shared = ctx.for_next_event() if sharing.by_viewer else RequestContext(ctx.resources)
    stream = cast("Source", source).stream
    executor.context_value = None  # each event has a context of its own
    return Subscription(key_of(ctx, prepared, sharing), stream, ready.bill, ready.operation, executor, shared, ctx.wants_cost)


def key_of(ctx: RequestContext, prepared: Prepared, sharing: Sharing) -> Key:
    """Return what listeners of the same bytes have in common: the operation, what its variables say, and for whom it is."""
    given = prepared.parameters.variables or {}
    values = orjson.dumps({name: given[name] for name in sharing.variables if name in given}, option=orjson.OPT_SORT_KEYS)
    whose = (ctx.viewer_id,) if sharing.by_viewer else None
    return (id(prepared.operation), values, whose, ctx.caller.key if ctx.wants_cost else None)


def reason(errors: list[GraphQLError]) -> BaseException:
    """Return why a subscription could not start."""
    first = errors[0]
    return first.original_error or RequestError("BAD_USER_INPUT", shortened(first.message))
