"""One HTTP exchange: who asks, what is in the body, and what it cost; shared by the faces that speak HTTP."""

import math
import re
import time
from collections.abc import AsyncIterator, Coroutine
from functools import lru_cache
from typing import Any, Final, TypeVar

import orjson
from aiohttp import ClientPayloadError, hdrs, web
from multidict import istr

from app import services
from app.domain.budgets import Budget, Standing
from app.infra.database import Counts
from app.infra.deadline import Deadline
from app.services.context import RequestContext, Resources
from app.transports.errors import Problem, RequestError
from app.transports.files import CHUNK_BYTES, arriving, too_large

Result = TypeVar("Result")

RESOURCES: Final = web.AppKey("resources", Resources)
CONTEXT: Final = web.RequestKey("context", RequestContext)

CHALLENGE: Final[dict[str, str]] = {hdrs.WWW_AUTHENTICATE: "Bearer"}
COUNTS_HEADER = istr("Feedgraph-Counts")
RATE_LIMIT_POLICY, RATE_LIMIT = istr("RateLimit-Policy"), istr("RateLimit")
OLD_LIMIT, OLD_REMAINING, OLD_RESET = istr("X-RateLimit-Limit"), istr("X-RateLimit-Remaining"), istr("X-RateLimit-Reset")
SAFE_HEADERS: Final = {istr("X-Content-Type-Options"): "nosniff", hdrs.SERVER: "feedgraph"}  # no guessing, no versions
COST_HEADER = istr("Feedgraph-Cost")
TIMEOUT_HEADER = istr("X-Request-Timeout")
SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?", re.ASCII)
JSON_TYPE = "application/json"
SIMPLE_TYPES = {"application/x-www-form-urlencoded"}
ENCODINGS = {"", "identity", "gzip", "deflate"}  # what aiohttp unpacks by itself


def begin(request: web.BaseRequest, resources: Resources) -> RequestContext:
    """Return the context of a new request, still anonymous; from now on it is `context_of(request)`."""
    ctx = request[CONTEXT] = RequestContext(resources, address=request.remote or "")
    return ctx


def context_of(request: web.BaseRequest) -> RequestContext:
    """Return the request's context."""
    return request[CONTEXT]


async def authenticated(request: web.BaseRequest) -> RequestContext:
    """Return the request's context with its viewer. One statement where there is a token.

    Raises:
        Unauthenticated: the bearer token is nobody's.
        RequestError: the Authorization header has another form.
    """
    ctx = context_of(request)
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is not None and ctx.viewer is None:
        known = ctx.resources.sessions.get(header[7:]) if header.startswith("Bearer ") else None  # as nearly everybody sends it
        ctx.viewer = known or await services.sessions.authenticate(ctx, bearer_token(header))
    return ctx


def bearer_token(header: str) -> str:
    """Return the token of an Authorization header's value.

    Raises:
        RequestError: the value is not `Bearer <token>`.
    """
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or not token.isascii():
        raise RequestError("UNAUTHENTICATED", "The Authorization header must be `Bearer <token>`.", headers=CHALLENGE)
    return token.strip()


async def json_body(request: web.BaseRequest) -> Any:
    """Return the decoded body of a request that must be JSON in UTF-8.

    Raises:
        RequestError: its type, encoding, size or text is not acceptable, or it did not arrive in time.
    """
    require_json(request)
    settings = context_of(request).settings
    try:
        if request.content.is_eof():  # it came with its head, as most do
            if request.content.total_bytes > settings.max_body_bytes:
                raise web.HTTPRequestEntityTooLarge(settings.max_body_bytes, request.content.total_bytes)
            body = request.content.read_nowait()
        else:
            with Deadline(settings.body_timeout_s):
                body = await request.read()
    except TimeoutError:
        message = f"The body did not arrive within {settings.body_timeout_s:g} seconds."
        raise RequestError("REQUEST_TIMEOUT", message, headers={hdrs.CONNECTION: "close"}) from None
    except web.HTTPRequestEntityTooLarge:
        message = f"The body is larger than {settings.max_body_bytes:,} bytes."
        raise RequestError("BODY_TOO_LARGE", message, headers={hdrs.CONNECTION: "close"}) from None
    except (ClientPayloadError, web.RequestPayloadError, ValueError, web.HTTPBadRequest):
        raise RequestError("BAD_REQUEST", "The body does not have the encoding that its headers name.") from None
    return decoded(body, "The body")


async def body_chunks(request: web.Request, *, most: int) -> AsyncIterator[bytes]:
    """Give a large body as it arrives. Its type must be one that pages of other origins cannot send without asking.

    Raises:
        RequestError: its type, encoding or size is not acceptable, or it stopped arriving.
    """
    require_file(request)
    if (request.content_length or 0) > most:
        raise too_large(most)
    patience_s = context_of(request).settings.body_timeout_s
    async for chunk in arriving(whole_body(request), most=most, patience_s=patience_s):
        yield chunk


async def whole_body(request: web.Request) -> AsyncIterator[bytes]:
    """Give a body, to its end.

    Raises:
        RequestError: it broke off.
    """
    try:
        async for chunk in request.content.iter_chunked(CHUNK_BYTES):
            yield chunk
    except (ClientPayloadError, web.RequestPayloadError, ValueError):
        raise RequestError("BAD_REQUEST", "The body broke off.") from None


def require_file(request: web.Request) -> None:
    """Refuse a body that is not declared as a file of its own.

    Raises:
        RequestError: the content type or the content encoding is another one.
    """
    media_type = request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if not media_type.startswith(("application/", "image/")) or media_type in SIMPLE_TYPES:
        raise RequestError("UNSUPPORTED_MEDIA_TYPE", "Send the file itself as the body, with its Content-Type.")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() != "identity":
        raise RequestError("UNSUPPORTED_MEDIA_TYPE", "Send the file as it is, without Content-Encoding.")


def decoded(text: bytes | str, what: str) -> Any:
    """Return the value of a JSON text; `what` names it in the error.

    Raises:
        RequestError: it is not JSON in UTF-8.
    """
    try:
        return orjson.loads(text)
    except ValueError:
        raise RequestError("BAD_REQUEST", f"{what} is not JSON in UTF-8.") from None


def require_json(request: web.BaseRequest) -> None:
    """Refuse a body that is not declared as JSON: pages of other origins can send the simple types without asking first.

    Raises:
        RequestError: the content type or the content encoding is another one.
    """
    headers = request.headers
    if not is_json(headers.get(hdrs.CONTENT_TYPE, "")):
        raise RequestError("UNSUPPORTED_MEDIA_TYPE", f"Send the header Content-Type: {JSON_TYPE} (in UTF-8).")
    if headers.get(hdrs.CONTENT_ENCODING, "").strip().lower() not in ENCODINGS:
        raise RequestError("UNSUPPORTED_MEDIA_TYPE", "Send the body without Content-Encoding, or with gzip or deflate.")


@lru_cache(maxsize=200)
def is_json(content_type: str) -> bool:
    """Say whether a content type is that of JSON in UTF-8."""
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.lower().replace(" ", "").replace('"', "")
    return media_type.strip().lower() == JSON_TYPE and charset in {"", "charset=utf-8", "charset=utf8"}


async def to_the_end(request: web.BaseRequest, work: Coroutine[Any, Any, Result]) -> Result:
    """Run a write to its end even if the caller leaves."""
    return await context_of(request).resources.to_the_end(work)


def wished_timeout(request: web.Request) -> float:
    """Return in how many seconds a caller wants to be answered, infinity where they do not say; the server's limits stay.

    Raises:
        RequestError: the header is no positive number of seconds.
    """
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return math.inf
    wished_s = float(text) if SECONDS.fullmatch(text) else 0.0
    if wished_s == 0:
        raise RequestError("BAD_REQUEST", f"{TIMEOUT_HEADER} must be a positive number of seconds, such as 0.5.")
    return wished_s


def rate_limit_headers(left: Standing) -> dict[str, str]:
    """Return what a caller has left: the fields of IETF draft-10, and the older ones that many clients know."""
    budget, remaining, reset_s = left.budget, str(left.remaining), left.reset_s
    policy, limit = budget_headers(budget)
    return {
        RATE_LIMIT_POLICY: policy,
        RATE_LIMIT: f'"{budget.name}";r={remaining};t={reset_s}',
        OLD_LIMIT: limit,
        OLD_REMAINING: remaining,
        OLD_RESET: str(int(time.time()) + reset_s),  # seconds since 1970, as GitHub has it
    }


@lru_cache(maxsize=100)
def budget_headers(budget: Budget) -> tuple[str, str]:
    """Return the values of RateLimit-Policy and X-RateLimit-Limit."""
    return f'"{budget.name}";q={budget.points};w={budget.window_s};qu="points"', str(budget.points)


def wants_counts(request: web.BaseRequest) -> bool:
    """Say whether the caller asks what the request cost."""
    return request.headers.get(COUNTS_HEADER, "") not in {"", "0"}


def counts_shown(counts: Counts, body: bytes) -> dict[str, int]:
    """Return what this one request cost; `bytes` is the size of its response's body."""
    return {
        "requests": 1,
        "statements": counts.statements,
        "rows": counts.rows,
        "batches": counts.batches,
        "bytes": len(body),
    }


def counts_header(counts: Counts, body: bytes) -> str:
    """Return what a request cost, for the response's header."""
    return ", ".join(f"{name}={value}" for name, value in counts_shown(counts, body).items())


def json_response(
    request: web.BaseRequest, value: Any, *, status: int = 200, media_type: str = JSON_TYPE, headers: dict[str, str] | None = None
) -> web.Response:
    """Return a JSON response; with the counts where the caller asked for them."""
    return json_bytes(request, orjson.dumps(value), status=status, media_type=media_type, headers=headers)


def json_bytes(
    request: web.BaseRequest,
    body: bytes,
    *,
    status: int = 200,
    media_type: str = JSON_TYPE,
    headers: dict[str, str] | None = None,
) -> web.Response:
    """Return the response of a value that is JSON already."""
    sent: dict[str, str] = {hdrs.CONTENT_TYPE: f"{media_type}; charset=utf-8", hdrs.CACHE_CONTROL: "no-store"}
    if headers:
        sent.update(headers)
    if wants_counts(request):
        sent[COUNTS_HEADER] = counts_header(context_of(request).counts, body)
    return web.Response(body=body, status=status, headers=sent)


def challenge(problem: Problem) -> dict[str, str]:
    """Return the headers that a problem's response needs."""
    return problem.headers | (CHALLENGE if problem.status == 401 else {})
