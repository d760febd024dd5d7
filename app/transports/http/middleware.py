"""What every HTTP exchange gets: an id, safe headers, one log line, and an answer even where no face is."""

import itertools
import re
import secrets
import time

from aiohttp import ClientConnectionResetError, hdrs, web
from aiohttp.typedefs import Handler
from multidict import istr

from app.infra import telemetry
from app.transports import cors
from app.transports.errors import Problem, RequestError, problem_of
from app.transports.exchange import SAFE_HEADERS, context_of
from app.transports.rest.answers import problem_response

REQUEST_ID_HEADER = istr("X-Request-Id")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
PROCESS, NUMBERS = secrets.token_hex(4), itertools.count()  # together the ids of requests that bring none
QUIET_PATHS = {"/healthz", "/readyz", "/metrics"}
STATUS_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "BODY_TOO_LARGE"}


@web.middleware
async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the exchange an id that every log line carries, and write one line at its end."""
    started, ctx = time.perf_counter(), context_of(request)
    sent_id = request.headers.get(REQUEST_ID_HEADER)
    request_id = sent_id if sent_id and REQUEST_ID.fullmatch(sent_id) else f"{PROCESS}{next(NUMBERS) & 0xFFFFFFFF:08x}"
    telemetry.REQUEST_ID.set(request_id)  # each request of a connection sets its own
    status = 499  # the caller left before there was an answer
    try:
        response = await handler(request)
        status = response.status
    finally:
        seconds, path = time.perf_counter() - started, request.path
        if not request.writer.output_size and not ctx.waits:  # the life of a stream or a socket is no latency
            ctx.resources.metrics.observe_request(face_of(path), status, seconds)
        if path not in QUIET_PATHS:
            telemetry.request_lines.add(
                method=request.method, path=path, status=status, seconds=seconds, statements=ctx.counts.statements
            )
    if not response.prepared:
        response.headers[REQUEST_ID_HEADER] = request_id
    return response


def face_of(path: str) -> str:
    """Return the face that answers at this path, for the metrics."""
    return "graphql" if path == "/graphql" else "rest" if path.startswith("/api/") else "other"


@web.middleware
async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what no face answers (unknown addresses and methods, refused sockets, faults of ours) into problems."""
    try:
        refuse_large_head(request)
        return await handler(request)
    except web.HTTPException as error:
        return problem_response(request, problem_of_status(error))
    except ClientConnectionResetError:  # the caller left: nobody is there to be told, and nothing is wrong
        raise
    except Exception as error:  # whatever else: masked, logged with its id
        return problem_response(request, problem_of(error))


def refuse_large_head(request: web.Request) -> None:
    """Refuse header fields that are small alone and large together; the parser limits each of them only.

    Raises:
        RequestError: they are larger than FEEDGRAPH_MAX_HEADER_BYTES.
    """
    limit, size = context_of(request).settings.max_header_bytes, 0
    for name, value in request.raw_headers:
        size += len(name) + len(value)
    if size > limit:
        raise RequestError("HEAD_TOO_LARGE", f"The header fields are larger than {limit:,} bytes together.")


def problem_of_status(error: web.HTTPException) -> Problem:
    """Return the problem for an answer of aiohttp's own."""
    code = STATUS_CODES.get(error.status, "BAD_REQUEST")
    message = {
        "NOT_FOUND": "There is nothing at this address: see the README for the addresses of feedgraph.",
        "METHOD_NOT_ALLOWED": "This address does not have that method.",
    }.get(code, error.reason)
    allow = error.headers.get(hdrs.ALLOW)
    return problem_of(RequestError(code, message, headers={"Allow": allow} if allow else {}))


async def finish_head(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Add the headers that every response has: no guessing of types, no versions told, and who else may read it."""
    response.headers.update(SAFE_HEADERS)
    if context_of(request).settings.allowed_origins:
        cors.share(request, response)
