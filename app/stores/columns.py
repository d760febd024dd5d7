"""Which columns a read selects: whole things, or only what a plan needs, with those of a joined thing along."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, TypeAlias

from app.infra.database import Record

Columns: TypeAlias = tuple[str, ...] | None  # which ones a read gives, in this order; None: whole things

LARGEST_CACHE = 4_096  # statements and their pieces; plans ask for the same few again and again


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table as reads know it: the thing it holds, its alias in statements, and what may be joined to a row of it.

    `joins` maps a join's name to the joined table and the SQL that joins it; the join must find exactly one row.
    """

    thing: type[Any]
    alias: str
    joins: dict[str, tuple["Table", str]]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the whole thing, in the order of its fields."""
        return tuple(field.name for field in fields(self.thing))


@dataclass(frozen=True, slots=True)
class Selection:
    """Pieces of a statement. What was wanted stands first in its rows; columns of the statement's own come behind."""

    columns: str
    joins: str
    make: Callable[[Record], Any] | None  # the thing of a row; None: the row itself serves, by the places of its columns

    def made(self, rows: Sequence[Record]) -> Sequence[Any]:
        """Return what the reader wants of each row."""
        make = self.make
        return rows if make is None else [make(row) for row in rows]


@lru_cache(maxsize=LARGEST_CACHE)
def selection(table: Table, wanted: Columns) -> Selection:
    """Return what to select for the wanted columns; None gives the whole thing, names give rows with those columns first.

    Names are ours, never a caller's; one that the table does not have is a KeyError.
    """
    if wanted is None:
        thing, width = table.thing, len(table.names)
        names = ", ".join(f"{table.alias}.{name}" for name in table.names)
        return Selection(names, "", lambda row: thing(*row[:width]))
    joined: dict[str, str] = {}
    columns = [column_of(table, name, joined) for name in wanted]
    return Selection(", ".join(columns) or "null", " ".join(joined.values()), None)


def column_of(table: Table, name: str, joined: dict[str, str]) -> str:
    """Return the SQL of one wanted column, such as title or author.name; note the join that it needs."""
    join, _, column = name.rpartition(".")
    if not join:
        if name not in table.names:
            raise KeyError(name)
        return f"{table.alias}.{name}"
    other, sql = table.joins[join]
    if column not in other.names:
        raise KeyError(name)
    joined[join] = sql
    return f'{join}.{column} as "{name}"'


def in_order(keys: Sequence[Any], rows: Sequence[Record], part: Selection) -> list[Any]:
    """Return what was found for each key, None where nothing was; a row's last column is its key."""
    found = {row[-1]: made for row, made in zip(rows, part.made(rows), strict=True)}
    return [found.get(key) for key in keys]
