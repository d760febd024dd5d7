"""GET /api/v1/events: one address for three ways of listening without GraphQL.

An Accept header that prefers text/event-stream gets server-sent events, `wait=` a long poll, and everything else a short poll.
"""

import re
from typing import Annotated, Any, Final

from aiohttp import hdrs, web
from pydantic import BeforeValidator, Field, WithJsonSchema

from app import services
from app.domain.errors import InvalidInput
from app.domain.events import FEED, KNOWN_TOPICS, MAX_TOPICS, EventCursor, topics_named
from app.services.updates import Follower
from app.transports.errors import RequestError
from app.transports.exchange import JSON_TYPE, authenticated
from app.transports.graphql.negotiation import best_type
from app.transports.realtime import polling, sse
from app.transports.realtime.event_form import EventPage
from app.transports.realtime.graphql_sse import SSE_TYPE, last_seen
from app.transports.rest.declaring import PREFERENCE_APPLIED, PREFIX, Call, Query, Route
from app.transports.rest.reading import Separated, read_query
from app.transports.rest.routes import telling

SECONDS = re.compile(r"[0-9]{1,5}(\.[0-9]{1,3})?", re.ASCII)
TOPIC_SCHEMA = {"type": "string", "pattern": r"^(posts|feed|(author|post|job):[0-9]{1,18})$"}


def seconds(text: str) -> float:
    """Return a number of seconds.

    Raises:
        InvalidInput: it is none.
    """
    if not SECONDS.fullmatch(text):
        raise InvalidInput("wait must be a number of seconds, such as 25.", field="wait")
    return float(text)


class Listening(Query):
    """What to listen to, from where on, and how long to wait for it."""

    topics: Annotated[
        tuple[str, ...],
        Separated,
        WithJsonSchema({"type": "array", "items": TOPIC_SCHEMA, "minItems": 1, "maxItems": MAX_TOPICS}),
        Field(description=f"{KNOWN_TOPICS}; feed and jobs are the viewer's own."),
    ]
    after: Annotated[str | None, Field(description="The cursor of what you have; absent: from now on.")] = None
    wait: Annotated[
        float,
        BeforeValidator(seconds),
        WithJsonSchema({"type": "number", "minimum": 0, "maximum": 99_999, "multipleOf": 0.001}),
        Field(description="Seconds to wait for news, at most 25: a long poll."),
    ] = 0


def add_routes(app: web.Application) -> None:
    """Mount the event faces."""
    resource = app.router.add_resource(PREFIX + ROUTE.path)
    resource.add_route(ROUTE.method, handle)
    resource.add_route(hdrs.METH_OPTIONS, telling([ROUTE.method, hdrs.METH_OPTIONS]))


async def handle(request: web.Request) -> web.StreamResponse:
    """Answer a listener.

    Raises:
        FeedgraphError, RequestError: it cannot be answered; the HTTP floor turns them into problems.
    """
    return await listen(Call(await authenticated(request), request, 0, read_query(request, ROUTE.query), None))


async def listen(call: Call[Listening, None]) -> web.StreamResponse:
    """Listen to what happens: by server-sent events, a long poll (wait=25) or a short poll, as the request asks for.

    Raises:
        FeedgraphError, RequestError: there is nothing of the kind to listen to, or not for this viewer.
    """
    request, ctx, wish = call.request, call.ctx, call.query
    media_type = best_type(request.headers.get(hdrs.ACCEPT), (JSON_TYPE, SSE_TYPE))
    if media_type is None:
        raise RequestError("NOT_ACCEPTABLE", f"Events come as {JSON_TYPE} or {SSE_TYPE}.")
    topics = topics_named(wish.topics if any(name.strip() for name in wish.topics) else ())
    if FEED in topics:
        ctx.signed_in()  # before the cursor is looked at: what it says of the log is nobody's business
    await services.jobs.require_own(ctx, topics)
    wait_s = min(wish.wait, ctx.settings.long_poll_max_s)
    follower = await Follower.begun(ctx, topics, after=later_cursor(request, wish.after))
    if media_type == SSE_TYPE:
        return await sse.stream(request, ctx, follower)
    if wait_s > 0:
        return await polling.long_poll(request, ctx, follower, wait_s)
    return await polling.short_poll(request, ctx, follower)


def later_cursor(request: web.Request, after: str | None) -> EventCursor | None:
    """Return where to go on from: `after` or the header Last-Event-ID, the later one.

    A browser that comes back repeats the address that it had first, with an old `after`, and adds the id that it saw last.

    Raises:
        CursorInvalid: one of them is no cursor.
    """
    given = (EventCursor.parse(after) if after else None, last_seen(request))
    return max(filter(None, given), default=None)


ROUTE: Final[Route[Any, Any]] = Route(
    "GET",
    "/events",
    "listenToEvents",
    listen,
    Listening,
    EventPage,
    gives_files=(SSE_TYPE,),
    is_long=True,
    is_live=True,
    problems=("CURSOR_INVALID", "NOT_FOUND", "NOT_ACCEPTABLE"),
    headers=(polling.CURSOR_HEADER, "Retry-After", PREFERENCE_APPLIED),
)
