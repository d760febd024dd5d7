"""Lists a page at a time: the same four arguments and cursors as in GraphQL, and Link headers (RFC 8288) to the neighbours."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar

from aiohttp import hdrs, web
from pydantic import Field

from app.domain.paging import DEFAULT_PAGE_SIZE, Order, Page, Slice, page_of
from app.services.relations import Many
from app.settings import Settings
from app.transports.rest.declaring import Call, Query, Reply, Route
from app.transports.rest.reading import Number

Parent = TypeVar("Parent")
AnyPage = TypeVar("AnyPage", bound="Paged")


class Paged(Query):
    """Which page of a list."""

    first: Annotated[Number | None, Field(description="At most so many from the start, 0 to 100; absent: 20.")] = None
    after: Annotated[str | None, Field(description="Only what comes behind this cursor, which a Link gave.")] = None
    last: Annotated[Number | None, Field(description="At most so many from the end, 0 to 100; not with first.")] = None
    before: Annotated[str | None, Field(description="Only what comes ahead of this cursor.")] = None

    @property
    def is_asked(self) -> bool:
        """Say whether anything is said about the page."""
        return not {self.first, self.after, self.last, self.before} <= {None}

    def page(self, order: Order, limits: Settings) -> Page:
        """Return the page of a list in this order.

        Raises:
            PageSize, InvalidInput, CursorInvalid: as for `page_of`.
        """
        return page_of(
            order, first=self.first, after=self.after, last=self.last, before=self.before, largest=limits.max_page_size
        )

    def most_rows(self, limits: Settings) -> int:
        """Return how many rows the page may have; one of an impossible size is refused before it is read."""
        wish = self.last if self.first is None else self.first
        return min(max(wish, 0), limits.max_page_size) if wish is not None else DEFAULT_PAGE_SIZE


async def listed(
    call: Call[Any, Any],
    order: Order,
    read: Callable[[Page], Awaitable[Slice[Any]]],
    show: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]],
) -> Reply:
    """Return the page that a call asks for as a JSON array; its neighbours are in the Link header."""
    page = call.query.page(order, call.ctx.settings)
    found = await read(page)
    links = links_of(call.request, page.size, [order.encode(key) for key in found.keys], found)
    return Reply(await show(found.rows), {hdrs.LINK: ", ".join(links)} if links else {})


async def related(
    call: Call[Any, Any], relation: Many[Parent, Any], parent: Parent, show: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]]
) -> Reply:
    """Return the page of the parent's list that a call asks for."""
    return await listed(call, relation.order(parent), partial(call.ctx.loaders.many, relation, parent), show)


def list_route(
    path: str,
    name: str,
    handler: Callable[[Call[AnyPage, None]], Awaitable[Reply]],
    query: type[AnyPage],
    row: Any,
    **more: Any,
) -> Route[AnyPage, None]:
    """Return the route of a list that is read a page at a time; `row` is the type of what it lists."""
    problems = ("CURSOR_INVALID", *more.pop("problems", ()))
    return Route("GET", path, name, handler, query, list[row], problems=problems, headers=("Link",), **more)


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
