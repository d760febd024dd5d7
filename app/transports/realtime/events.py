"""GET /api/v1/events: one address for three ways of listening without GraphQL.

An Accept header that prefers text/event-stream gets server-sent events, `wait=` a long poll, and everything else a short poll.
"""

import re
from dataclasses import dataclass

from aiohttp import hdrs, web

from app.domain.errors import InvalidInput
from app.domain.events import FEED, EventCursor, topics_named
from app.services.context import RequestContext
from app.services.updates import Follower
from app.transports.errors import RequestError
from app.transports.exchange import JSON_TYPE, authenticated
from app.transports.graphql.negotiation import best_type
from app.transports.realtime import polling, sse
from app.transports.realtime.graphql_sse import SSE_TYPE, last_seen

PATH = "/api/v1/events"
SECONDS = re.compile(r"[0-9]{1,5}(\.[0-9]{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the query string asks for."""

    topics: tuple[str, ...]
    after: EventCursor | None
    wait_s: float


def add_routes(app: web.Application) -> None:
    """Mount the event faces."""
    app.router.add_get(PATH, handle, allow_head=False)


async def handle(request: web.Request) -> web.StreamResponse:
    """Answer in the way that the request asks for.

    Raises:
        FeedgraphError, RequestError: it cannot be answered; the HTTP floor turns them into problems.
    """
    media_type = best_type(request.headers.get(hdrs.ACCEPT), (JSON_TYPE, SSE_TYPE))
    if media_type is None:
        raise RequestError("NOT_ACCEPTABLE", f"Events come as {JSON_TYPE} or {SSE_TYPE}.")
    ctx = await authenticated(request)
    topics = wished_topics(request)
    if FEED in topics:
        ctx.signed_in()  # before the cursor is looked at: what it says of the log is nobody's business
    wait_s = wished_wait(request, ctx)
    follower = await Follower.begun(ctx, topics, after=later_cursor(request))
    if media_type == SSE_TYPE:
        return await sse.stream(request, ctx, follower)
    if wait_s > 0:
        return await polling.long_poll(request, ctx, follower, wait_s)
    return await polling.short_poll(request, ctx, follower)


def wished_topics(request: web.Request) -> tuple[str, ...]:
    """Return the topics that the query string names.

    Raises:
        InvalidInput: there is none, there are too many, or one is unknown.
    """
    names = [name for text in request.query.getall("topics", []) for name in text.split(",")]
    return topics_named(names if any(name.strip() for name in names) else ())


def wished_wait(request: web.Request, ctx: RequestContext) -> float:
    """Return how long a poll may wait for news, in seconds; more than FEEDGRAPH_LONG_POLL_MAX_S counts as that.

    Raises:
        InvalidInput: it is no number of seconds.
    """
    text = request.query.get("wait", "0")
    if not SECONDS.fullmatch(text):
        raise InvalidInput("wait must be a number of seconds, such as 25.", field="wait")
    return min(float(text), ctx.settings.long_poll_max_s)


def later_cursor(request: web.Request) -> EventCursor | None:
    """Return where to go on from: `after` or the header Last-Event-ID, the later one.

    A browser that comes back repeats the address that it had first, with an old `after`, and adds the id that it saw last.

    Raises:
        CursorInvalid: one of them is no cursor.
    """
    text = request.query.get("after")
    given = (EventCursor.parse(text) if text else None, last_seen(request))
    return max(filter(None, given), default=None)
