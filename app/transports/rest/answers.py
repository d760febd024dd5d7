"""How REST answers: resources, pages with Link headers (RFC 8288), and problems (RFC 9457)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from app.domain.errors import DeadlineExceeded, InvalidInput
from app.domain.paging import Order, Page, Slice, page_of
from app.services.context import RequestContext
from app.transports.errors import Problem, problem_of
from app.transports.exchange import RESOURCES, challenge, context_of, json_response

Result = TypeVar("Result")

PROBLEM_TYPE = "application/problem+json"
VARY = {hdrs.VARY: "Accept, Authorization, Accept-Encoding"}


def answering(handler: Handler) -> Handler:
    """Return a handler whose failures leave as problems, masked where they were not meant, and whose reads have a deadline."""

    async def answer(request: web.Request) -> web.StreamResponse:
        is_read = request.method in {hdrs.METH_GET, hdrs.METH_HEAD}
        try:
            return await within(request.app[RESOURCES].settings.query_timeout_s if is_read else None, handler(request))
        except web.HTTPException:
            raise  # the HTTP floor's own answers
        except Exception as error:  # the table in transports/errors.py says what each becomes
            return problem_response(request, problem_of(error))
        finally:
            context_of(request).loaders.stop()

    return answer


async def within(deadline_s: float | None, work: Awaitable[Result]) -> Result:
    """Return what the work gives, or stop it at its deadline; None is no deadline.

    Raises:
        DeadlineExceeded: it took longer.
    """
    try:
        async with asyncio.timeout(deadline_s):
            return await work
    except TimeoutError:
        raise DeadlineExceeded(f"The request took longer than {deadline_s:g} seconds and was stopped: ask for less.") from None


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
    request.app[RESOURCES].metrics.refusals.add(problem.code)
    return json_response(request, body, status=problem.status, media_type=PROBLEM_TYPE, headers=VARY | challenge(problem))


def resource_response(request: web.Request, resource: Any, **kwargs: Any) -> web.Response:
    """Return a resource, or a list of them."""
    return json_response(request, resource, headers=VARY | kwargs.pop("headers", {}), **kwargs)


def wished_page(request: web.Request, ctx: RequestContext, order: Order) -> Page:
    """Return the page that the query string asks for: first, after, last, before, as in GraphQL.

    Raises:
        InvalidInput: first or last is no number.
        PageSize, CursorInvalid: as for `page_of`.
    """
    return page_of(
        order,
        first=wished_number(request, "first"),
        after=request.query.get("after"),
        last=wished_number(request, "last"),
        before=request.query.get("before"),
        largest=ctx.settings.max_page_size,
    )


def wished_number(request: web.Request, name: str) -> int | None:
    """Return a number of the query string, None where it is absent.

    Raises:
        InvalidInput: it is no whole number of at most nine digits.
    """
    text = request.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 10):
        raise InvalidInput(f"{name} must be a whole number.", field=name)
    return int(text)


def page_response(
    request: web.Request, order: Order, page: Page, found: Slice[Any], show: Callable[[Any], dict[str, Any]]
) -> web.Response:
    """Return a page as a JSON array; its neighbours are in the Link header."""
    links = list(links_of(request, page.size, [order.encode(key) for key in found.keys], found))
    headers = {hdrs.LINK: ", ".join(links)} if links else {}
    return resource_response(request, [show(row) for row in found.rows], headers=headers)


def links_of(request: web.Request, size: int, cursors: Sequence[str], found: Slice[Any]) -> Sequence[str]:
    """Return the links to the next and the previous page, where there are such."""
    links = []
    if found.has_next and cursors:
        links.append(link(request, "next", {"first": str(size), "after": cursors[-1]}))
    if found.has_previous and cursors:
        links.append(link(request, "prev", {"last": str(size), "before": cursors[0]}))
    return links


def link(request: web.Request, rel: str, page: dict[str, str]) -> str:
    """Return one link, relative to the server: whatever name the client knows it by stays right."""
    others = {name: value for name, value in request.query.items() if name not in {"first", "after", "last", "before"}}
    return f'<{request.rel_url.with_query({**others, **page})}>; rel="{rel}"'
