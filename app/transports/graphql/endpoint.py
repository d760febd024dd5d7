"""GraphQL over HTTP: POST and GET at /graphql (the specification's draft of August 2026, with the audit suite's status codes)."""

from dataclasses import dataclass
from typing import Any, Final

from aiohttp import hdrs, web
from multidict import istr

from app.services.context import RequestContext
from app.transports.errors import RequestError
from app.transports.exchange import (
    COST_HEADER,
    authenticated,
    challenge,
    context_of,
    counts_shown,
    decoded,
    json_body,
    json_bytes,
    rate_limit_headers,
    require_json,
    to_the_end,
    wants_counts,
    wished_timeout,
)
from app.transports.graphql.caching import EXECUTOR_HEADER, respond_to_query
from app.transports.graphql.documents import Documents
from app.transports.graphql.negotiation import LEGACY_TYPE, RESPONSE_TYPE, media_type_of
from app.transports.graphql.parameters import Parameters, parameters_of
from app.transports.graphql.persisted import Persisted
from app.transports.graphql.pipeline import Answer, Prepared, encoded, execute, failed, prepare

METHODS = "GET, HEAD, POST, OPTIONS"
DRY_RUN_HEADER = istr("Feedgraph-Dry-Run")
VARY = "Accept, Authorization, Accept-Encoding"
OFF = {"", "0"}  # of the headers that ask for more than an answer


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers at /graphql, with the documents that it knows."""

    documents: Documents
    persisted: Persisted

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one GraphQL request."""
        media_type = media_type_of(request.headers.get(hdrs.ACCEPT))
        try:
            if media_type is None:
                raise RequestError("NOT_ACCEPTABLE", f"Accept {RESPONSE_TYPE} or {LEGACY_TYPE}.")
            return await self.answer(request, await self.prepared(request), media_type)
        except Exception as error:  # every failure leaves as a GraphQL response, masked where it was not meant
            return respond(request, failed(error), media_type or LEGACY_TYPE)

    async def prepared(self, request: web.Request) -> Prepared | Answer:
        """Return the operation that a request means, whose variables may still be anything, or the answer that refuses it.

        Raises:
            RequestError, FeedgraphError: the request is not well formed, or the caller nobody.
        """
        parameters = await read_parameters(request)
        ctx = await authenticated(request)
        read_wishes(request, ctx)
        return await prepare(ctx, self.persisted, parameters)

    async def answer(self, request: web.Request, prepared: Prepared | Answer, media_type: str) -> web.Response:
        """Return the response to a request. A mutation runs to its end whoever leaves; a query's answer may be another's.

        Raises:
            RequestError: the method cannot carry such an operation.
        """
        if isinstance(prepared, Answer):
            return respond(request, prepared, media_type)
        refuse_wrong_way(request, prepared)

        async def ask() -> tuple[Answer, web.Response]:
            work = execute(context_of(request), self.documents, prepared)
            answer = await (to_the_end(request, work) if prepared.operation.is_mutation else work)
            return answer, respond(request, answer, media_type)

        return await respond_to_query(request, prepared, ask)


ENDPOINT: Final = web.AppKey("graphql", Endpoint)


def read_wishes(request: web.Request, ctx: RequestContext) -> None:
    """Note what the headers wish for this execution: its cost shown or explained, a deadline of the caller's own.

    Raises:
        RequestError: the deadline is no positive number of seconds.
    """
    headers = request.headers
    ctx.wants_cost = headers.get(COST_HEADER, "") not in OFF
    ctx.is_dry_run = headers.get(DRY_RUN_HEADER, "") not in OFF
    ctx.wished_s = wished_timeout(request)


async def read_parameters(request: web.Request) -> Parameters:
    """Return the parameters from the body of a POST or the address of a GET.

    Raises:
        RequestError: they are not well formed.
    """
    if request.method == hdrs.METH_POST:
        return parameters_of(await json_body(request))
    if hdrs.CONTENT_TYPE in request.headers:
        require_json(request)  # a simple content type on a GET is a forged form (GHSA-9q82-xgwf-vj6h)
    values: dict[str, Any] = dict(request.query)
    for name in ("variables", "extensions"):
        if values.get(name):
            values[name] = decoded(values[name], name)
        else:
            values.pop(name, None)
    return parameters_of(values)


def refuse_wrong_way(request: web.Request, prepared: Prepared) -> None:
    """Refuse an operation that this method cannot carry.

    Raises:
        RequestError: a mutation by GET, or a subscription.
    """
    refuse_mutation_by_get(request, prepared)
    if prepared.operation.is_subscription:
        ways = "over a WebSocket with the protocol graphql-transport-ws, or with the header Accept: text/event-stream"
        raise RequestError("BAD_REQUEST", f"Send subscriptions {ways}.")


def refuse_mutation_by_get(request: web.Request, prepared: Prepared) -> None:
    """Refuse to change anything by a method that is only for reading.

    Raises:
        RequestError: the operation is a mutation, and the method is not POST.
    """
    if prepared.operation.is_mutation and request.method != hdrs.METH_POST:
        raise RequestError("METHOD_NOT_ALLOWED", "Send mutations by POST.", headers={hdrs.ALLOW: "POST"})


def respond(request: web.Request, answer: Answer, media_type: str) -> web.Response:
    """Return the response that carries an answer.

    With `application/json` whatever went through GraphQL is 200, refusals included: older clients look no further otherwise.
    """
    if wants_counts(request):
        without = encoded(answer.body)  # the bytes that are told are those of the answer without the telling
        answer.extensions["counts"] = counts_shown(context_of(request).counts, without)
    legacy_success = media_type == LEGACY_TYPE and answer.went_through
    headers: dict[str, str] = {hdrs.VARY: VARY, EXECUTOR_HEADER: answer.executor}
    ctx = context_of(request)
    if answer.refusal:
        headers |= challenge(answer.refusal)
        ctx.resources.metrics.refusals.add(answer.refusal.code)
    if ctx.charge:
        headers |= rate_limit_headers(ctx.resources.budgets.standing(ctx.caller))
    return json_bytes(
        request, encoded(answer.body), status=200 if legacy_success else answer.status, media_type=media_type, headers=headers
    )


async def refuse_method(request: web.Request) -> web.Response:
    """Answer a method that /graphql does not have."""
    error = RequestError("METHOD_NOT_ALLOWED", "Use GET or POST.", headers={hdrs.ALLOW: METHODS})
    return respond(request, failed(error), LEGACY_TYPE)


async def options(_request: web.Request) -> web.Response:
    """Tell the methods of /graphql."""
    return web.Response(status=204, headers={hdrs.ALLOW: METHODS})
