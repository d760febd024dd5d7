"""What the engine knows of the schema's fields: made from the same declared relations as their resolvers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from graphql import GraphQLField, GraphQLObjectType
from strawberry import UNSET

from app.domain.paging import Order, Page, Slice, page_of, page_size
from app.engine import Attribute, Binding, Lookup, ToMany, ToOne
from app.services.context import RequestContext
from app.services.relations import Many, One, Root

BINDING: Final = "feedgraph.binding"  # the key of a Strawberry field's metadata
BY_VIEWER: Final = "feedgraph.by_viewer"  # another: whether what the field shows may differ from viewer to viewer


def binding_of(_type: GraphQLObjectType, _name: str, field: GraphQLField) -> Binding | None:
    """Return how the engine gets a field's value; None where only its resolver knows."""
    definition = field.extensions["strawberry-definition"]
    if BINDING in definition.metadata:
        binding: Binding = definition.metadata[BINDING]
        return binding
    return Attribute(definition.python_name) if definition.base_resolver is None else None


def to_one(relation: One[Any, Any]) -> ToOne:
    """Return the binding of a relation to one thing or fact."""
    return ToOne(relation.name, relation.column, relation.fetch, relation.join)


def lookup(name: str, key: Callable[[dict[str, Any]], tuple[Any, Root[Any]]]) -> Lookup:
    """Return the binding of a root field that finds one thing; `key` reads it from the arguments."""

    @cache
    def relation_of(root: Root[Any]) -> ToOne:
        return ToOne(root.name, "", root.fetch)

    def bound(arguments: dict[str, Any]) -> tuple[Any, ToOne]:
        value, root = key(arguments)
        return value, relation_of(root)

    return Lookup(name, bound)


def to_list(relation: Many[Any, Any], default: int) -> ToMany:
    """Return the binding of a plain list, `default` rows long unless asked otherwise."""

    async def fetch(
        ctx: RequestContext, keys: Sequence[Any], columns: tuple[str, ...], arguments: dict[str, Any]
    ) -> Sequence[Slice[Any]]:
        first = arguments.get("first")
        size = page_size(default if first is None else first, largest=ctx.settings.max_page_size)
        return await relation.fetch(ctx, keys, Page(size, peeks=False), columns)

    return ToMany(relation.name, relation.column, fetch, is_connection=False)


def to_connection(relation: Many[Any, Any]) -> ToMany:
    """Return the binding of a connection."""

    async def fetch(
        ctx: RequestContext, keys: Sequence[Any], columns: tuple[str, ...], arguments: dict[str, Any]
    ) -> Sequence[ConnectionPage]:
        orders = [relation.order_of(key) for key in keys]
        [page] = {wished(ctx, order, arguments) for order in orders} if orders else {None}  # a cursor fits one parent only
        slices = await relation.fetch(ctx, keys, page, columns) if page else []
        return [ConnectionPage(order, slice_) for order, slice_ in zip(orders, slices, strict=True)]

    return ToMany(relation.name, relation.column, fetch, is_connection=True)


def wished(ctx: RequestContext, order: Order, arguments: dict[str, Any]) -> Page:
    """Return the page that a connection's arguments ask for."""
    given = {name: None if (value := arguments.get(name)) is UNSET else value for name in ("first", "after", "last", "before")}
    return page_of(order, **given, largest=ctx.settings.max_page_size)


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """A page that knows its cursors."""

    order: Order
    found: Slice[Any]

    @property
    def rows(self) -> Sequence[Any]:
        """The rows, in the list's order."""
        return self.found.rows

    @property
    def has_next(self) -> bool:
        """Whether there is more behind."""
        return self.found.has_next

    @property
    def has_previous(self) -> bool:
        """Whether there is more ahead."""
        return self.found.has_previous

    def cursors(self) -> list[str]:
        """Return each row's cursor."""
        return [self.order.encode(key) for key in self.found.keys]
