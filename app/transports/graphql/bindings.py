"""What the engine knows of the schema's fields: made from the same declared relations as their resolvers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from graphql import GraphQLField, GraphQLObjectType, get_named_type
from strawberry import UNSET

from app.domain import shown
from app.domain.errors import PageSize
from app.domain.paging import DEFAULT_PAGE_SIZE, Order, Page, Slice, page_of, page_size
from app.engine import (
    Attribute,
    Binding,
    Lookup,
    Rendered,
    Renderer,
    Shown,
    ShownLeaf,
    ShownList,
    ShownOne,
    ShownRows,
    ShownText,
    ToMany,
    ToOne,
    counted_lists,
    lists_in,
)
from app.engine.rendering import ShownField
from app.services import relations
from app.services.context import RequestContext
from app.services.relations import Many, One, Root, Texts

BINDING: Final = "feedgraph.binding"  # the key of a Strawberry field's metadata
BY_VIEWER: Final = "feedgraph.by_viewer"  # another: whether what the field shows may differ from viewer to viewer


def binding_of(_type: GraphQLObjectType, _name: str, field: GraphQLField) -> Binding | None:
    """Return how the engine gets a field's value; None where only its resolver knows."""
    definition = field.extensions["strawberry-definition"]
    if BINDING in definition.metadata:
        binding: Binding = definition.metadata[BINDING]
        return binding
    if definition.base_resolver is not None:
        return None
    return Attribute(definition.python_name, is_ready=get_named_type(field.type).name == "DateTime")  # stores give times as text


def to_one(relation: One[Any, Any]) -> ToOne:
    """Return the binding of a relation to one thing or fact."""
    return ToOne(relation.name, relation.column, relation.fetch, relation.join)


def lookup(name: str, key: Callable[[dict[str, Any]], tuple[Any, Root[Any]]]) -> Lookup:
    """Return the binding of a root field that finds one thing; `key` reads it from the arguments."""

    roots: dict[Root[Any], ToOne] = {}

    def bound(arguments: dict[str, Any]) -> tuple[Any, ToOne]:
        value, root = key(arguments)
        relation = roots.get(root)
        if relation is None:
            relation = roots[root] = ToOne(root.name, "", root.fetch)
        return value, relation

    def render(selected: Shown) -> Callable[[ToOne], Renderer | None]:
        fields, lists = tuple(map(domain_form, selected)), lists_in(selected)

        @cache
        def by(name: str) -> Renderer:
            return renderer(relations.texts_of_things(name, fields), lists, lambda numbers: counted_lists(lists, numbers))

        return lambda relation: by(relation.name)

    return Lookup(name, bound, render)


def to_list(relation: Many[Any, Any], default: int) -> ToMany:
    """Return the binding of a plain list, `default` rows long unless asked otherwise."""

    def size(ctx: RequestContext, arguments: dict[str, Any]) -> int:
        first = arguments.get("first")
        return page_size(default if first is None else first, largest=ctx.settings.max_page_size)

    async def fetch(
        ctx: RequestContext, keys: Sequence[Any], columns: tuple[str, ...], arguments: dict[str, Any]
    ) -> Sequence[Slice[Any]]:
        return await relation.fetch(ctx, keys, Page(size(ctx, arguments), peeks=False), columns)

    binding = ToMany(relation.name, relation.column, fetch, is_connection=False, render=render_list(relation))
    LIMITS[binding] = size
    return binding


def render_list(relation: Many[Any, Any]) -> Callable[[ShownList], Renderer] | None:
    """Return how lists of a relation are written as JSON; None: they are not."""

    def render(selected: ShownList) -> Renderer:
        def shows(numbers: Sequence[Any]) -> Any:
            return counted_lists([selected], numbers)[selected.key]

        return renderer(relations.texts_of_lists(relation.name, domain_form(selected)), [selected], shows)

    return render if relation.is_rendered else None


def renderer(texts_of: Texts, lists: Sequence[ShownList], shows: Callable[[Sequence[Any]], Any]) -> Renderer:
    """Return the renderer of a text with these lists in it; `shows` makes of the text's numbers what stands for it."""
    limits = [LIMITS[list_.binding] for list_ in each_in(lists)]
    known: tuple[Any, Any, tuple[int, ...]] = (None, None, ())  # the last arguments, the settings then, and the sizes

    async def rendered(
        ctx: RequestContext, keys: Sequence[Any], arguments: Sequence[dict[str, Any]]
    ) -> Sequence[Rendered | None] | None:
        nonlocal known
        last, settings, sizes = known
        if arguments is not last or ctx.settings is not settings:
            try:
                sizes = tuple([limit(ctx, given) for limit, given in zip(limits, arguments, strict=True)])
            except (NoPrefix, PageSize):
                return None  # a wrong size is an error only where there is a row to show it in
            known = (arguments, ctx.settings, sizes)
        texts = await texts_of(ctx, keys, sizes)
        if texts is None:
            return None
        return [None if text is None else Rendered(text.json, shows(text.numbers)) for text in texts]

    return rendered


def each_in(lists: Sequence[ShownList]) -> Iterator[ShownList]:
    """Give each list and then those in its rows."""
    for list_ in lists:
        yield list_
        yield from each_in(list_.lists)


def to_short_list(relation: Many[Any, Any], page: Page) -> ToMany:
    """Return the binding of a plain list that is always shown whole: the page holds all that there can be."""

    async def fetch(
        ctx: RequestContext, keys: Sequence[Any], columns: tuple[str, ...], _arguments: dict[str, Any]
    ) -> Sequence[Slice[Any]]:
        return await relation.fetch(ctx, keys, page, columns)

    return ToMany(relation.name, relation.column, fetch, is_connection=False)


LIMITS: Final[dict[ToMany, Callable[[RequestContext, dict[str, Any]], int]]] = {}  # how long a list is, by its binding


class NoPrefix(Exception):
    """A page does not begin where its list begins: it is not written as JSON."""


def domain_form(field: ShownField | ShownRows) -> Any:
    """Return what is shown in the words of the floors below."""
    match field:
        case ShownLeaf(key, column, is_text, is_required):
            return shown.Leaf(key, column, is_text, is_required)
        case ShownText(key, text):
            return shown.Constant(key, text)
        case ShownOne(key, join, fields):
            return shown.Joined(key, join, tuple(map(domain_form, fields)))
        case ShownList():
            around = tuple(map(domain_form, field.around))
            return shown.Listed(field.key, field.binding.name, tuple(map(domain_form, field.fields)), around)
        case ShownRows(key):
            return shown.Rows(key)


def to_connection(relation: Many[Any, Any]) -> ToMany:
    """Return the binding of a connection."""

    async def fetch(
        ctx: RequestContext, keys: Sequence[Any], columns: tuple[str, ...], arguments: dict[str, Any]
    ) -> Sequence[ConnectionPage]:
        orders = [relation.order_of(key) for key in keys]
        has_cursor = any(arguments.get(name) not in {None, UNSET} for name in ("after", "before"))
        asked = orders if has_cursor else orders[:1]  # a cursor fits one parent only; without one, the page is the same for all
        [page] = {wished(ctx, order, arguments) for order in asked} if orders else {None}
        slices = await relation.fetch(ctx, keys, page, columns) if page else []
        return [ConnectionPage(order, slice_) for order, slice_ in zip(orders, slices, strict=True)]

    def size(ctx: RequestContext, arguments: dict[str, Any]) -> int:
        for name in ("after", "last", "before"):
            if arguments.get(name) not in {None, UNSET}:
                raise NoPrefix
        first = arguments.get("first")
        return page_size(DEFAULT_PAGE_SIZE if first in {None, UNSET} else first, largest=ctx.settings.max_page_size)

    binding = ToMany(relation.name, relation.column, fetch, is_connection=True, render=render_list(relation))
    LIMITS[binding] = size
    return binding


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
