"""Bindings: what the engine must know of a field to plan it. Whoever owns the schema makes them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from graphql import GraphQLField, GraphQLObjectType

from app.engine.rendering import Renderer, Shown, ShownList


class ListPage(Protocol):
    """A page of one parent's list. Rows begin with the columns that were asked for."""

    @property
    def rows(self) -> Sequence[Any]:
        """The rows, in the list's order."""

    @property
    def has_next(self) -> bool:
        """Whether there is more behind."""

    @property
    def has_previous(self) -> bool:
        """Whether there is more ahead."""

    def cursors(self) -> list[str]:
        """Return each row's cursor."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """The value lies in the row: as an attribute of a thing, or as the column of that name.

    A column that `is_ready` holds the value as it travels; a thing's attribute never does.
    """

    name: str
    is_ready: bool = False


@dataclass(frozen=True, slots=True)
class Derived:
    """A leaf that is made of the thing itself, at once; rows of columns do not have it."""

    of: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class ToOne:
    """One thing or fact for each parent, by the key in the parent's `column`; a None key has none.

    `fetch(context, keys, columns)` gives a row, None or (where `columns` is None) a plain value for each distinct key, in order.
    `join`, where set, is how the parent's own fetch can bring the thing's columns: as "<join>.<column>". It never lacks a row.
    """

    name: str
    column: str
    fetch: Callable[[Any, Sequence[Any], tuple[str, ...] | None], Awaitable[Sequence[Any]]]
    join: str | None = None


@dataclass(frozen=True, slots=True)
class ToMany:
    """A list for each parent, by the key in the parent's `column`.

    `fetch(context, keys, columns, arguments)` gives a page for each distinct key, in order. `is_connection` says whether the
    field is shown as a connection (edges, nodes, pageInfo); of pages shown as plain lists only the rows are read.
    `render`, where set, tells how a list of which so much is shown is written as JSON by its source.
    """

    name: str
    column: str
    fetch: Callable[[Any, Sequence[Any], tuple[str, ...], dict[str, Any]], Awaitable[Sequence[Any]]]
    is_connection: bool
    render: Callable[[ShownList], Renderer] | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """A root field that gives one thing by a key in its arguments.

    `key(arguments)` returns the key and the relation by which it is found; an exception is an anomaly.
    `render`, where set, tells how a thing of which so much is shown is written as JSON, by the relation that finds it; None: it
    is not.
    """

    name: str
    key: Callable[[dict[str, Any]], tuple[Any, ToOne]]
    render: Callable[[Shown], Callable[[ToOne], Renderer | None]] | None = None


Binding: TypeAlias = Attribute | Derived | ToOne | ToMany | Lookup
Bindings: TypeAlias = Callable[[GraphQLObjectType, str, GraphQLField], Binding | None]
