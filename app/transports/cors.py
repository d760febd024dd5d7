"""Pages of other origins: those on the allow list may call every face (the CORS protocol of the Fetch standard).

Tokens travel in a header that a page has to set itself; there are no cookies, hence no `Access-Control-Allow-Credentials`.
"""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from app.settings import Settings
from app.transports.exchange import context_of

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
PREFLIGHT_S = 7_200  # how long a browser may remember the answer; Chromium takes no more
SHOWN = ", ".join(
    (
        *("Age", "ETag", "Link", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-Id"),
        *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Feedgraph-Counts", "Feedgraph-Cost"),
    )
)


@web.middleware
async def preflights(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a browser that asks whether a page of an allowed origin may send a request."""
    asks = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    if not asks or allowed_origin(request) is None:
        return await handler(request)
    wished = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: METHODS,
            hdrs.ACCESS_CONTROL_MAX_AGE: str(PREFLIGHT_S),
            **({hdrs.ACCESS_CONTROL_ALLOW_HEADERS: wished} if wished else {}),
        },
    )


def share(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Let a page of an allowed origin read the response, whichever face it comes from."""
    vary(context_of(request).settings, response)
    if origin := allowed_origin(request):
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = SHOWN


def vary(settings: Settings, response: web.StreamResponse) -> None:
    """Keep what is said to a page of one origin from being kept for those of others."""
    if settings.allowed_origins:
        response.headers[hdrs.VARY] = ", ".join(filter(None, (response.headers.get(hdrs.VARY), hdrs.ORIGIN)))


def allowed_origin(request: web.BaseRequest) -> str | None:
    """Return the origin of the page behind a request, None where it has none or is not on the list."""
    origin = request.headers.get(hdrs.ORIGIN)
    return origin if origin and origin.lower() in context_of(request).settings.allowed_origins else None
