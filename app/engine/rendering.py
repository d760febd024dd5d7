"""Rendering: what shows nothing but plain values, joined things and lists of the same comes from its source as finished JSON.
Nobody decodes rows, makes objects of them and writes these down again.

What is rendered still tells the lengths of its lists, which the cost of an answer is counted from.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

if TYPE_CHECKING:  # a binding says how it renders what is described here
    from app.engine.bindings import ToMany


@dataclass(frozen=True, slots=True)
class ShownLeaf:
    """A column. `is_text`: it travels as a string whatever it is (an id)."""

    key: str
    column: str
    is_text: bool
    is_required: bool


@dataclass(frozen=True, slots=True)
class ShownText:
    """A text that is always the same (__typename)."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownOne:
    """A thing that is joined to the row, and never lacks."""

    key: str
    join: str
    fields: tuple["ShownLeaf | ShownText", ...]


@dataclass(slots=True, eq=False)
class ShownList:
    """A list. Of a connection, `around` are the fields that it shows: the rows, and perhaps its __typename."""

    key: str
    binding: "ToMany"
    fields: "Shown"
    around: tuple["ShownText | ShownRows", ...] = ()
    lists: tuple["ShownList", ...] = field(init=False)  # those in its rows
    rows_key: str | None = field(init=False)  # of a connection: under which its rows are

    def __post_init__(self) -> None:
        self.lists = lists_in(self.fields)
        self.rows_key = next((part.key for part in self.around if isinstance(part, ShownRows)), None)

    def shows(self, rows: Any) -> Any:
        """Return what stands for the field, of what stands for its rows."""
        return rows if self.rows_key is None else {self.rows_key: rows}


@dataclass(frozen=True, slots=True)
class ShownRows:
    """The place of the rows in a connection."""

    key: str


ShownField: TypeAlias = ShownLeaf | ShownText | ShownOne | ShownList
Shown: TypeAlias = tuple[ShownField, ...]


def lists_in(fields: Shown) -> tuple[ShownList, ...]:
    """Return the lists that are shown in an object, without those in their rows."""
    return tuple(field for field in fields if isinstance(field, ShownList))


class RenderedRows:
    """A list of `length` rows, as far as whoever counts must know it: objects that hold nothing but their lists.

    `inner` has, of each list in the rows, its length in each row.
    """

    __slots__ = ("inner", "length")

    def __init__(self, length: int, inner: Sequence[tuple[ShownList, Sequence[int]]]) -> None:
        self.length, self.inner = length, inner

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self.length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give the rows, reduced to the lengths of their lists."""
        for index in range(self.length):
            yield {list_.key: list_.shows(range(lengths[index])) for list_, lengths in self.inner}

    def count(self, value: object) -> int:
        """Return how often a value is in it: None never is, and nobody asks for another."""
        return 0 if value is None else sum(value == row for row in self)


class Rendered:
    """JSON text of a list, a connection or an object; to whoever counts, `lists` is what it shows.

    Of an object and a connection, those are its lists by their keys; of a list, its rows.
    """

    __slots__ = ("json", "lists")

    def __init__(self, json: str, lists: Any) -> None:
        self.json, self.lists = json, lists

    def get(self, key: str) -> Any:
        """Return the list under a key."""
        return self.lists.get(key)

    def __getitem__(self, key: str) -> Any:
        """Return the list under a key."""
        return self.lists[key]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.lists)

    def __iter__(self) -> Iterator[Any]:
        """Give the rows."""
        return iter(self.lists)

    def count(self, value: object) -> int:
        """Return how often a value is among the rows."""
        found: int = self.lists.count(value)
        return found


def counted_lists(lists: Sequence[ShownList], numbers: Sequence[Any]) -> Mapping[str, Any]:
    """Return what stands for the lists of an object, by their keys. `numbers` are, for each of them, its length and then the
    lengths of each list in its rows."""
    parts, rest = {}, iter(numbers)
    for list_ in lists:
        length = next(rest)
        parts[list_.key] = list_.shows(RenderedRows(length, [(inner, next(rest)) for inner in list_.lists]))
    return parts


# Of a context, keys and the arguments of all lists in their order (each one before those in its rows): a text for each key, None
# for a key that has nothing. None for all: not this time; it is to be fetched as rows.
Renderer: TypeAlias = Callable[[Any, Sequence[Any], Sequence[dict[str, Any]]], Awaitable["Sequence[Rendered | None] | None"]]


def as_json(value: Any) -> bytes:
    """Return the JSON of an answer that may hold rendered texts."""
    return orjson.dumps(value, default=_fragment)


def _fragment(value: Any) -> orjson.Fragment:
    if isinstance(value, Rendered):
        return orjson.Fragment(value.json)
    raise TypeError(type(value).__name__)
