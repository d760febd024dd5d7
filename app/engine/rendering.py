"""Rendering: a list whose rows hold nothing but plain values, one joined thing and perhaps further such lists, comes from its
source as finished JSON text. Nobody decodes rows, makes objects of them and writes these down again.

What is rendered still tells its lengths, which the cost of an answer is counted from.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class ShownList:
    """A list in each row. Its rows hold no further lists."""

    key: str
    binding: "ToMany"
    fields: tuple["ShownLeaf | ShownText | ShownOne", ...]


ShownField: TypeAlias = ShownLeaf | ShownText | ShownOne | ShownList
Shown: TypeAlias = tuple[ShownField, ...]

# Of a context, the parents' keys and the arguments of the list and of the lists in it, in their order: a text for each key.
# None: not this time; the list is to be fetched as rows.
Renderer: TypeAlias = Callable[[Any, Sequence[Any], Sequence[dict[str, Any]]], Awaitable["Sequence[Rendered] | None"]]


class Rendered:
    """A list as JSON text.

    To whoever counts, it is a list of `length` objects that hold nothing but their lists: `lengths` has, by the key of each such
    list, its length in each object.
    """

    __slots__ = ("json", "length", "lengths")

    def __init__(self, json: str, length: int, lengths: Mapping[str, Sequence[int]]) -> None:
        self.json, self.length, self.lengths = json, length, lengths

    def __len__(self) -> int:
        """Return how many objects there are."""
        return self.length

    def __iter__(self) -> Iterator[dict[str, range]]:
        """Give the objects, reduced to the lengths of their lists."""
        for index in range(self.length):
            yield {key: range(lengths[index]) for key, lengths in self.lengths.items()}

    def __eq__(self, other: object) -> bool:
        """Say whether the other one is the same text."""
        return isinstance(other, Rendered) and self.json == other.json

    __hash__ = None  # type: ignore[assignment]  # like a list

    def count(self, value: object) -> int:
        """Return how often a value is in it: None never is."""
        return 0 if value is None else sum(value == item for item in self)


def as_json(value: Any) -> bytes:
    """Return the JSON of an answer that may hold rendered lists."""
    return orjson.dumps(value, default=_fragment)


def _fragment(value: Any) -> orjson.Fragment:
    if isinstance(value, Rendered):
        return orjson.Fragment(value.json)
    raise TypeError(type(value).__name__)
