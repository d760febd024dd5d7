"""Shapes for values that lie in their parents, and for the pages of lists."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.engine.bindings import ListPage
from app.engine.steps import Anomaly, ObjectShape, Run, Shape


@dataclass(frozen=True, slots=True)
class LeafShape:
    """A scalar or an enum."""

    serialize: Callable[[Any], Any]

    async def complete(self, _run: Run, values: Sequence[Any]) -> list[Any]:
        """Return each value as it travels."""
        return [None if value is None else self.serialize(value) for value in values]

    def explain(self, _indent: int) -> list[str]:
        """Return nothing: a leaf is plain."""
        return []


@dataclass(frozen=True, slots=True)
class NonNullShape:
    """A value that must be there."""

    inner: Shape

    async def complete(self, run: Run, values: Sequence[Any]) -> list[Any]:
        """Return the inner shape's values."""
        shown = await self.inner.complete(run, values)
        if None in shown:
            raise Anomaly
        return shown

    def explain(self, indent: int) -> list[str]:
        """Return the inner shape's lines."""
        return self.inner.explain(indent)


@dataclass(frozen=True, slots=True)
class ListShape:
    """A list of values; those of all lists of a level are completed together."""

    inner: Shape

    async def complete(self, run: Run, values: Sequence[Any]) -> list[Any]:
        """Return a list for each value, None for None."""
        items = [item for value in values if value is not None for item in value]
        shown = await self.inner.complete(run, items)
        lists, start = [], 0
        for value in values:
            size = 0 if value is None else len(value)
            lists.append(None if value is None else shown[start : start + size])
            start += size
        return lists

    def explain(self, indent: int) -> list[str]:
        """Return the inner shape's lines."""
        return self.inner.explain(indent)


@dataclass(frozen=True, slots=True)
class AbstractShape:
    """An interface or a union: values are parted by their types, completed apart, and put back in their order."""

    possible: list[tuple[Callable[[Any], bool], ObjectShape]]

    async def complete(self, run: Run, values: Sequence[Any]) -> list[Any]:
        """Return an object for each value, None for None."""
        shown: list[Any] = [None] * len(values)
        left = {index for index, value in enumerate(values) if value is not None}
        for is_type_of, shape in self.possible:
            mine = sorted(index for index in left if is_type_of(values[index]))
            left.difference_update(mine)
            for index, value in zip(mine, await shape.complete(run, [values[index] for index in mine]), strict=True):
                shown[index] = value
        if left:
            raise Anomaly
        return shown

    def explain(self, indent: int) -> list[str]:
        """Return the possible types' lines."""
        return [line for _, shape in self.possible for line in shape.explain(indent)]


@dataclass(frozen=True, slots=True)
class RowsShape:
    """Pages shown as plain lists: the rows of all pages are completed together."""

    row: ObjectShape

    async def complete(self, run: Run, values: Sequence[ListPage]) -> list[Any]:
        """Return a list for each page."""
        shown = await self.row.complete(run, [row for page in values for row in page.rows])
        lists, start = [], 0
        for page in values:
            lists.append(shown[start : start + len(page.rows)])
            start += len(page.rows)
        return lists

    def explain(self, indent: int) -> list[str]:
        """Return the rows' lines."""
        return self.row.explain(indent)


PagePart = Callable[[ListPage, list[str], dict[str, list[Any]]], Any]


@dataclass(frozen=True, slots=True)
class ConnectionShape:
    """Pages shown as connections. `rows` are the selections of nodes, each completed for all pages together; `parts` then
    make each page's fields from the page, its cursors and its share of the completed rows."""

    rows: dict[str, RowsShape]
    parts: dict[str, PagePart]
    shows_cursors: bool  # else they need not be made

    async def complete(self, run: Run, values: Sequence[ListPage]) -> list[Any]:
        """Return a connection for each page."""
        shown = {name: await shape.complete(run, values) for name, shape in self.rows.items()}
        connections = []
        for index, page in enumerate(values):
            cursors = page.cursors() if self.shows_cursors else []
            share = {name: lists[index] for name, lists in shown.items()}
            connections.append({key: part(page, cursors, share) for key, part in self.parts.items()})
        return connections

    def explain(self, indent: int) -> list[str]:
        """Return the rows' lines."""
        return [line for shape in self.rows.values() for line in shape.explain(indent)]
