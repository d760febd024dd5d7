"""Relay's connections: the types, and the one value behind all of them."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import strawberry
from strawberry import UNSET

from app.domain.paging import Order, Page, Slice, page_of
from app.services.context import RequestContext
from app.transports.graphql.cache_policy import INHERITED
from app.transports.graphql.costs import FREE
from app.transports.graphql.scalars import Cursor

if TYPE_CHECKING:  # people, posts and their connections name each other; Strawberry looks the types up when it builds the schema
    from app.transports.graphql.posts import Post
    from app.transports.graphql.users import User

UserType: TypeAlias = Annotated["User", strawberry.lazy("app.transports.graphql.users")]
PostType: TypeAlias = Annotated["Post", strawberry.lazy("app.transports.graphql.posts")]

First = Annotated[int | None, strawberry.argument(description="At most so many from the start, 0 to 100; absent: 20.")]
After = Annotated[Cursor | None, strawberry.argument(description="Only what comes behind this edge.")]
Last = Annotated[int | None, strawberry.argument(description="At most so many from the end, 0 to 100; not together with first.")]
Before = Annotated[Cursor | None, strawberry.argument(description="Only what comes ahead of this edge.")]


HOLDER = [*FREE, INHERITED]  # connections, edges and pageInfo only hold others together


class Connection:
    """A page of a list as the connection types read it."""

    def __init__(self, order: Order, page: Slice[Any]) -> None:
        cursors = [order.encode(key) for key in page.keys]
        self.nodes = page.rows
        self.edges = [Edge(cursor, node) for cursor, node in zip(cursors, page.rows, strict=True)]
        self.page_info = PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=Cursor(cursors[0]) if cursors else None,
            end_cursor=Cursor(cursors[-1]) if cursors else None,
        )


class Edge:
    """A row and its place."""

    __slots__ = ("cursor", "node")

    def __init__(self, cursor: str, node: Any) -> None:
        self.cursor = cursor
        self.node = node


def wished_page(ctx: RequestContext, order: Order, *, first: Any, after: Any, last: Any, before: Any) -> Page:
    """Return the page that a field's arguments ask for; absent ones are UNSET or None."""
    first, after, last, before = (None if value is UNSET else value for value in (first, after, last, before))
    return page_of(order, first=first, after=after, last=last, before=before, largest=ctx.settings.max_page_size)


@strawberry.type(description="What lies around a page.", directives=HOLDER)
class PageInfo:
    """What lies around a page."""

    has_next_page: bool = strawberry.field(description="Whether there is more behind this page.")
    has_previous_page: bool = strawberry.field(description="Whether there is more ahead of this page.")
    start_cursor: Cursor | None = strawberry.field(description="The first edge's cursor; null on an empty page.")
    end_cursor: Cursor | None = strawberry.field(description="The last edge's cursor; null on an empty page.")


@strawberry.type(description="A post's place in a list.", directives=HOLDER)
class PostEdge:
    """A post's place in a list."""

    cursor: Cursor = strawberry.field(description="The place.")
    node: PostType = strawberry.field(description="The post.")


@strawberry.type(description="A page of posts.", directives=HOLDER)
class PostConnection:
    """A page of posts."""

    edges: list[PostEdge] = strawberry.field(description="The posts with their places.")
    nodes: list[PostType] = strawberry.field(description="The posts alone.")
    page_info: PageInfo = strawberry.field(description="What lies around this page.")


@strawberry.type(description="A person's place in a list.", directives=HOLDER)
class UserEdge:
    """A person's place in a list."""

    cursor: Cursor = strawberry.field(description="The place.")
    node: UserType = strawberry.field(description="The person.")


@strawberry.type(description="A page of people.", directives=HOLDER)
class UserConnection:
    """A page of people."""

    edges: list[UserEdge] = strawberry.field(description="The people with their places.")
    nodes: list[UserType] = strawberry.field(description="The people alone.")
    page_info: PageInfo = strawberry.field(description="What lies around this page.")


@strawberry.type(description="A post's place in a home feed.", directives=HOLDER)
class FeedEdge:
    """A post's place in a home feed."""

    cursor: Cursor = strawberry.field(description="The place.")
    node: PostType = strawberry.field(description="The post.")


@strawberry.type(description="A page of a home feed.", directives=HOLDER)
class FeedConnection:
    """A page of a home feed."""

    edges: list[FeedEdge] = strawberry.field(description="The posts with their places.")
    nodes: list[PostType] = strawberry.field(description="The posts alone.")
    page_info: PageInfo = strawberry.field(description="What lies around this page.")
