"""Caching over HTTP: what each answer says of its life, 304 where a caller has it already, and the answers that callers share.

Only what was executed for an anonymous caller is shared, so who may see which post is never mixed up. An answer that was meant
for everybody is private all the same where something looked who the viewer is.
"""

import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from aiohttp import hdrs, web
from multidict import CIMultiDict, istr

from app.domain.budgets import Charge
from app.domain.events import EventCursor
from app.services.answers import Answers, Kept
from app.services.context import RequestContext, Resources
from app.services.reads import Reads
from app.transports.exchange import SAFE_HEADERS, context_of, rate_limit_headers, wants_counts
from app.transports.graphql.cache_policy import NEVER, Policy
from app.transports.graphql.negotiation import media_type_of
from app.transports.graphql.pipeline import Answer, Prepared

CACHE_TAG, EXECUTOR_HEADER = istr("Cache-Tag"), istr("Feedgraph-Executor")
MAX_TAG_BYTES = 2 * 1024  # of the header Cache-Tag: with the rest of a head it fits into the 4 KiB that nginx has for it
HIT_POINTS = 1
READS: Final = {hdrs.METH_GET, hdrs.METH_HEAD}
NOT_MODIFIED_HEADERS: Final = (hdrs.CACHE_CONTROL, hdrs.ETAG, hdrs.VARY, CACHE_TAG, EXECUTOR_HEADER)
SHARED_HEADERS: Final = (hdrs.CONTENT_TYPE, hdrs.CACHE_CONTROL, hdrs.VARY, hdrs.ETAG, CACHE_TAG)

Ask = Callable[[], Awaitable[tuple[Answer, web.Response]]]


@dataclass(frozen=True, slots=True)
class Shared:
    """A response that every anonymous caller gets: its body, and its headers but for those that each response has for itself."""

    body: bytes
    headers: CIMultiDict[str]
    etag: str


async def respond_to_query(request: web.Request, prepared: Prepared, ask: Ask) -> web.Response:
    """Return the response to a query: by `ask`, which executes it, or what another caller was answered.

    Raises:
        Throttled: the caller has not even the point that a shared answer costs.
    """
    ctx, policy = context_of(request), prepared.operation.policy
    if ctx.viewer is not None:
        policy = policy.personal
    if request.method not in READS or not policy.is_shareable or wants_more(request, ctx):
        answer, response = await ask()
        return await labelled(request, known_policy(ctx, policy, answer, response), response)
    if prepared.parameters.query is not None or not ctx.resources.answers.is_usable:
        return (await executed(request, policy, ask))[0]
    return await shared(request, policy, ask)


async def executed(request: web.Request, policy: Policy, ask: Ask) -> tuple[web.Response, web.Response | None]:
    """Execute what may be shared; return the response, and the whole one with its labels if it may be kept."""
    ctx = context_of(request)
    ctx.reads = Reads()
    answer, whole = await ask()
    known = known_policy(ctx, policy, answer, whole)
    response = await labelled(request, known, whole)
    return response, whole if known is not None and known.is_shareable else None


async def shared(request: web.Request, policy: Policy, ask: Ask) -> web.Response:
    """Return what is kept, or execute it and keep it; one caller at a time."""
    ctx = context_of(request)
    resources, key = ctx.resources, key_of(request)

    async def found() -> web.Response | None:
        kept = resources.answers.get(key)
        return None if kept is None else await paid_response(request, resources, kept)

    async def found_or_executed() -> web.Response:
        if (response := await found()) is not None:
            return response
        since = resources.tail.cursor
        response, whole = await executed(request, policy, ask)
        if whole is not None and ctx.reads:
            keep(resources.answers, key, whole, policy, ctx.reads, since)
        return response

    if (response := await found()) is not None:
        return response
    resources.answers.misses += 1
    return await resources.answers.once(key, found_or_executed)


def wants_more(request: web.Request, ctx: RequestContext) -> bool:
    """Say whether the caller asks for something about this very execution: to tell of it, or not to wait for another's."""
    return wants_counts(request) or ctx.wants_cost or ctx.is_dry_run or ctx.wished_s < math.inf


def key_of(request: web.BaseRequest) -> str:
    """Return the key of a response: the address as it was sent, and the representation."""
    return f"{media_type_of(request.headers.get(hdrs.ACCEPT))} {request.raw_path}"


def known_policy(ctx: RequestContext, policy: Policy, answer: Answer, response: web.Response) -> Policy | None:
    """Return an answer's policy now that it was executed; None where it has errors, or something of its own beside the data."""
    if response.status != 200 or answer.errors or answer.extensions:
        return None
    if ctx.reads and ctx.reads.misses_somebody:
        return NEVER
    return policy.personal if ctx.is_personal else policy


async def labelled(request: web.Request, policy: Policy | None, response: web.Response) -> web.Response:
    """Say in a response how long it stays good, or answer 304 where the caller has it. Errors keep their `no-store`."""
    if policy is None:
        return response
    ctx = context_of(request)
    response.headers[hdrs.CACHE_CONTROL] = policy.header
    if request.method not in READS:
        return response
    response.headers[hdrs.ETAG] = etag_of(response)
    if policy.is_shareable and ctx.reads:
        response.headers[CACHE_TAG] = tag_header(ctx.reads.tags)
    if not has_already(request, response.headers[hdrs.ETAG]):
        return response
    await refund_half(ctx)
    kept = {name: response.headers[name] for name in NOT_MODIFIED_HEADERS if name in response.headers}
    return web.Response(status=304, headers=kept | limits_left(ctx))


def limits_left(ctx: RequestContext) -> dict[str, str]:
    """Return the headers that tell a caller what is left, where it was charged."""
    return rate_limit_headers(ctx.resources.budgets.standing(ctx.caller)) if ctx.charge else {}


async def refund_half(ctx: RequestContext) -> None:
    """Give back half of what an operation cost whose answer need not be sent."""
    charge = ctx.charge
    if charge and charge.actual and (half := charge.actual // 2):
        charge.actual -= half
        await ctx.resources.budgets.give_back(ctx.caller, half)


def etag_of(response: web.Response) -> str:
    """Return a strong validator: equal for equal bytes of the same media type."""
    assert isinstance(response.body, bytes)  # noqa: S101  # our responses are made of bytes
    media_type = response.headers[hdrs.CONTENT_TYPE].encode()
    return f'"{blake2b(response.body, digest_size=16, key=media_type).hexdigest()}"'


def has_already(request: web.BaseRequest, etag: str) -> bool:
    """Say whether If-None-Match names the validator; weak ones count, for proxies that compress make them so."""
    header = request.headers.get(hdrs.IF_NONE_MATCH)
    if header is None:
        return False
    return header.strip() == "*" or etag in header


def tag_header(tags: set[str]) -> str:
    """Return the value of Cache-Tag. Where it would be too long, the types of the things stand for all of them."""
    header = ",".join(sorted(tags))
    return header if len(header) <= MAX_TAG_BYTES else ",".join(sorted({tag.partition(":")[0] for tag in tags}))


def keep(answers: Answers[Shared], key: str, response: web.Response, policy: Policy, reads: Reads, since: EventCursor) -> None:
    """Keep a response for others."""
    assert isinstance(response.body, bytes)  # noqa: S101  # our responses are made of bytes
    headers = CIMultiDict({name: response.headers[name] for name in SHARED_HEADERS} | {EXECUTOR_HEADER: "cache"} | SAFE_HEADERS)
    size = len(response.body) + len(key) + sum(len(name) + len(value) for name, value in headers.items())
    value = Shared(response.body, headers, headers[hdrs.ETAG])
    answers.put(key, value, size=size, tags=reads.tags, max_age_s=policy.max_age_s or 0, since=since)


async def paid_response(request: web.Request, resources: Resources, kept: Kept[Shared]) -> web.Response:
    """Return a kept response to an anonymous caller, who pays for it.

    Raises:
        Throttled: the caller has no point left.
    """
    ctx, budgets = context_of(request), resources.budgets
    caller = ctx.caller
    ctx.charge = Charge(HIT_POINTS, nodes=0, depth=0)  # what a refusal tells, too
    left = await budgets.pay(caller, HIT_POINTS)
    resources.answers.hits += 1
    return shared_response(request, kept, rate_limit_headers(left))


def shared_response(request: web.BaseRequest, kept: Kept[Shared], limits: Mapping[str, str]) -> web.Response:
    """Return a kept response to an anonymous caller who has paid for it; `limits` are headers that tell what is left."""
    shared = kept.value
    is_known = has_already(request, shared.etag)
    response = web.Response(status=304 if is_known else 200, body=None if is_known else shared.body, headers=shared.headers)
    headers = response.headers
    if is_known:
        del headers[hdrs.CONTENT_TYPE]
    headers[hdrs.AGE] = str(int(time.monotonic() - kept.kept_s))
    headers.update(limits)
    return response
