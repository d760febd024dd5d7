"""Fields made from the declared relations: each resolves through the request's loaders."""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar

import strawberry
from strawberry import UNSET

from app.domain.paging import Page, page_size
from app.services.context import RequestContext
from app.services.relations import Many, One
from app.transports.graphql import bindings
from app.transports.graphql.bindings import BINDING, BY_VIEWER
from app.transports.graphql.cache_policy import PERSONAL
from app.transports.graphql.connections import After, Before, Connection, First, Last, wished_page
from app.transports.graphql.costs import PAGED, first_of, short_of

Result = TypeVar("Result")
Info: TypeAlias = strawberry.Info[RequestContext, Any]


def given(value: Any, parse: Callable[[Any], Result]) -> Result | None:
    """Return an optional argument's value in its parsed form, None where it is absent or null."""
    return None if value is UNSET or value is None else parse(value)


def related(relation: One[Any, Any], graphql_type: Any, description: str) -> Any:
    """Make a field for what the relation points at."""

    async def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return await info.context.loaders.one(relation, root)

    return strawberry.field(
        resolver=resolve,
        graphql_type=graphql_type,
        description=description,
        metadata={BINDING: bindings.to_one(relation), BY_VIEWER: relation.by_viewer},
        directives=[PERSONAL] if relation.is_personal else (),
    )


def listed(relation: Many[Any, Any], graphql_type: Any, description: str, *, default: int) -> Any:
    """Make a plain list field: the first rows of the relation, `default` many unless asked otherwise."""
    size_text = f"At most so many, 0 to 100; absent: {default}."

    async def resolve(
        root: strawberry.Parent[Any],
        info: Info,
        first: Annotated[int | None, strawberry.argument(description=size_text)] = default,
    ) -> Any:
        size = page_size(default if first is None else first, largest=info.context.settings.max_page_size)
        return (await info.context.loaders.many(relation, root, Page(size, peeks=False))).rows

    return strawberry.field(
        resolver=resolve,
        graphql_type=graphql_type,
        description=description,
        metadata={BINDING: bindings.to_list(relation, default), BY_VIEWER: relation.by_viewer},
        directives=first_of(default),
    )


def short(relation: Many[Any, Any], graphql_type: Any, description: str, *, page: Page) -> Any:
    """Make a plain list field without arguments: the relation never has more rows than the page."""

    async def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return (await info.context.loaders.many(relation, root, page)).rows

    return strawberry.field(
        resolver=resolve,
        graphql_type=graphql_type,
        description=description,
        metadata={BINDING: bindings.to_short_list(relation, page), BY_VIEWER: relation.by_viewer},
        directives=short_of(page.size),
    )


def connected(relation: Many[Any, Any], graphql_type: Any, description: str) -> Any:
    """Make a connection field: the relation a page at a time."""

    async def resolve(
        root: strawberry.Parent[Any],
        info: Info,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
    ) -> Any:
        order = relation.order(root)
        page = wished_page(info.context, order, first=first, after=after, last=last, before=before)
        return Connection(order, await info.context.loaders.many(relation, root, page))

    return strawberry.field(
        resolver=resolve,
        graphql_type=graphql_type,
        description=description,
        metadata={BINDING: bindings.to_connection(relation), BY_VIEWER: relation.by_viewer},
        directives=PAGED,
    )
