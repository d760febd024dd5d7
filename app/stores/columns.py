"""Which columns a read selects: whole things, or only what a plan needs, with those of a joined thing along."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from app.infra.database import Record


@dataclass(frozen=True, slots=True)
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
    """Pieces of a statement, and what to make of a row that begins with `skip` columns of its own."""

    columns: str
    joins: str
    make: Callable[[Record, int], Any]


def selection(table: Table, wanted: Sequence[str] | None) -> Selection:
    """Return what to select for the wanted columns; None gives the whole thing, a list of names gives tuples.

    Names are ours, never a caller's; one that the table does not have is a KeyError.
    """
    if wanted is None:
        thing = table.thing
        names = ", ".join(f"{table.alias}.{name}" for name in table.names)
        return Selection(names, "", lambda row, skip: thing(*row[skip:]))
    joined: dict[str, str] = {}
    columns = [column_of(table, name, joined) for name in wanted]
    return Selection(", ".join(columns) or "null", " ".join(joined.values()), lambda row, skip: row[skip:] if skip else row)


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
