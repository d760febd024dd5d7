"""What of a list's rows is shown, for a store that writes it as JSON itself."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column under a key. `is_text`: as a string whatever it is (an id)."""

    key: str
    column: str
    is_text: bool
    is_required: bool


@dataclass(frozen=True, slots=True)
class Constant:
    """A text that is the same in each row."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Joined:
    """The thing that a join of the table finds."""

    key: str
    join: str
    fields: tuple[Leaf | Constant, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list in each row, by the name of its relation."""

    key: str
    relation: str
    fields: tuple[Leaf | Constant | Joined, ...]


Fields: TypeAlias = tuple[Leaf | Constant | Joined | Listed, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A list as JSON text; `lengths` has the lengths of the lists in its objects, by their keys."""

    json: str
    length: int
    lengths: dict[str, list[int]]
