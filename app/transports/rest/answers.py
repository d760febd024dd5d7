"""How an address answers: a call parsed, admitted and paid, run under its deadline, and sent with what caches and clients need.

Failures leave as problems (RFC 9457), masked where they were not meant.
"""

import asyncio
import hashlib
from typing import Any

from aiohttp import ClientConnectionResetError, hdrs, web
from aiohttp.typedefs import Handler

from app import services
from app.domain.budgets import Charge
from app.domain.errors import DeadlineExceeded, Overloaded, TooManyOperations
from app.domain.ids import parse_id
from app.services.context import RequestContext
from app.transports.errors import Problem, RequestError, problem_of
from app.transports.exchange import (
    COST_HEADER,
    authenticated,
    challenge,
    context_of,
    json_body,
    json_response,
    rate_limit_headers,
    to_the_end,
    wished_timeout,
)
from app.transports.rest.declaring import Call, Query, Reply, Route
from app.transports.rest.reading import read_body, read_query

KEY_HEADER = "Idempotency-Key"
PROBLEM_TYPE = "application/problem+json"
VARY = {hdrs.VARY: "Accept, Authorization, Accept-Encoding"}
KEPT_IN_304 = (hdrs.CACHE_CONTROL, hdrs.ETAG, hdrs.VARY, hdrs.LINK)  # RFC 9110, 15.4.5


def answering(route: Route[Any, Any]) -> Handler:
    """Return the handler that answers for a route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await answer(route, request)
        except (web.HTTPException, ClientConnectionResetError):
            raise  # the HTTP floor's own answers, and a caller who has left
        except Exception as error:  # the table in transports/errors.py says what each becomes
            return problem_response(request, problem_of(error))
        finally:
            context_of(request).end()

    return handle


async def answer(route: Route[Any, Any], request: web.Request) -> web.StreamResponse:
    """Answer one request.

    Raises:
        RequestError, FeedgraphError: it is refused, or the handler refused it.
    """
    settings = context_of(request).settings
    longest_s = settings.query_timeout_s if route.is_read else settings.mutation_timeout_s
    deadline_s = None if route.is_long else min(longest_s, wished_timeout(request))
    sent = await json_body(request) if route.body else None
    ctx = await authenticated(request)
    query = read_query(request, route.query)
    body = read_body(sent, route.body) if route.body else None
    id_ = parse_id(request.match_info["id"]) if "id" in request.match_info else 0
    if route.needs_session:
        ctx.signed_in()
    charge = await admit(ctx, route, query)
    work = run(route, Call(ctx, request, id_, query, body), charge, deadline_s)
    reply = await (work if route.is_read else to_the_end(request, work))
    return await respond(request, route, charge, reply)


async def admit(ctx: RequestContext, route: Route[Any, Any], query: Query) -> Charge:
    """Charge the caller for what the answer may hold: what the same selection would cost in GraphQL, roughly.

    Raises:
        RequestError: it may hold more than one request may ask for.
        Throttled: the caller has not enough points left.
    """
    objects = query.most_objects(ctx.settings)
    cost, caller = route.own_points + objects, ctx.caller
    if reason := services.budgets.too_large(nodes=objects, cost=cost, limits=ctx.settings):
        raise RequestError(*reason)
    charge = Charge(cost, objects, 0)
    await services.budgets.charge(ctx, caller, charge, cost)
    return charge


async def run(
    route: Route[Any, Any], call: Call[Any, Any], charge: Charge, deadline_s: float | None
) -> Reply | web.StreamResponse:
    """Do what a call asks for, as one of the caller's running requests; what lasts, as one of their streams.

    Raises:
        Overloaded, TooManyOperations: there are too many, or the handler's work has no room; the points come back.
        DeadlineExceeded: it took longer than its deadline and was stopped.
        FeedgraphError: the handler refused it.
    """
    ctx, budgets = call.ctx, call.ctx.resources.budgets
    try:
        with budgets.lasting(ctx.caller) if route.is_long else budgets.running(ctx.caller):
            async with asyncio.timeout(deadline_s):
                return await route.handler(call)
    except TimeoutError:
        raise DeadlineExceeded(f"The request took longer than {deadline_s:g} seconds and was stopped: ask for less.") from None
    except (Overloaded, TooManyOperations):
        await services.budgets.settle(ctx, ctx.caller, charge, 0)
        raise


async def respond(
    request: web.Request, route: Route[Any, Any], charge: Charge, reply: Reply | web.StreamResponse
) -> web.StreamResponse:
    """Return the response that carries a reply; what the request did not need of its points goes back."""
    if isinstance(reply, web.StreamResponse):
        return reply
    ctx = context_of(request)
    headers = VARY | (caching(ctx) if route.is_read else {}) | dict(reply.headers)
    status = reply.status or route.status
    if reply.value is None:
        response = web.Response(status=status, headers={hdrs.CACHE_CONTROL: "no-store", **headers})
    else:
        response = json_response(request, reply.value, status=status, headers=headers)
    if route.is_read and status == 200:
        response = conditional(request, response)
    spent = 0 if response.status == 304 else objects_in(reply.value)
    await services.budgets.settle(ctx, ctx.caller, charge, route.own_points + spent)
    response.headers.update(charged(request, charge))
    return response


def caching(ctx: RequestContext) -> dict[str, str]:
    """Return who may keep an answer: always asking whether it is still the same, for what was hidden or deleted must be gone."""
    return {hdrs.CACHE_CONTROL: "private, no-cache" if ctx.viewer else "public, no-cache"}


def conditional(request: web.Request, response: web.Response) -> web.Response:
    """Return the response with its ETag, or 304 without a body where the caller has the same already."""
    tag = hashlib.blake2b(response.body if isinstance(response.body, bytes) else b"", digest_size=16).hexdigest()
    response.headers[hdrs.ETAG] = f'"{tag}"'
    if not any(known.value in {tag, "*"} for known in request.if_none_match or ()):
        return response
    kept = {name: response.headers[name] for name in KEPT_IN_304 if name in response.headers}
    return web.Response(status=304, headers=kept)


def objects_in(value: Any) -> int:
    """Return how many JSON objects a value holds: one for each resource that is shown."""
    if isinstance(value, dict):
        return 1 + sum(objects_in(part) for part in value.values() if isinstance(part, dict | list))
    return sum(map(objects_in, value)) if isinstance(value, list) else 0


def charged(request: web.Request, charge: Charge) -> dict[str, str]:
    """Return the headers that tell what the caller has left; and what this request cost, to whoever asks."""
    told = {}
    if request.headers.get(COST_HEADER, "") not in {"", "0"}:
        told[COST_HEADER] = f"requested={charge.requested}, actual={charge.requested if charge.actual is None else charge.actual}"
    ctx = context_of(request)
    return rate_limit_headers(ctx.resources.budgets.standing(ctx.caller)) | told


def problem_response(request: web.Request, problem: Problem) -> web.Response:
    """Return a problem as RFC 9457 has it; `type` and `code` carry the code that all faces share."""
    body = {
        "type": f"urn:feedgraph:{problem.code}",
        "title": problem.code.replace("_", " ").capitalize(),
        "status": problem.status,
        "detail": problem.message,
        "code": problem.code,
        **problem.details,
    }
    context_of(request).resources.metrics.refusals.add(problem.code)
    charge = context_of(request).charge
    headers = VARY | challenge(problem) | (charged(request, charge) if charge else {})
    return json_response(request, body, status=problem.status, media_type=PROBLEM_TYPE, headers=headers)
