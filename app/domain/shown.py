"""What is shown of a thing or of a list's rows, for a store that writes it as JSON itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


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
class Rows:
    """The place of a connection's rows."""

    key: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A list, by the name of its relation. `around` are the fields of the connection that it is shown as; none: a plain list."""

    key: str
    relation: str
    fields: "Fields"
    around: tuple[Constant | Rows, ...] = ()


Fields: TypeAlias = tuple[Leaf | Constant | Joined | Listed, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A thing or a list as JSON text. `numbers` are, for each list in it, its length and then the lengths of each list in its
    rows, one for each row."""

    json: str
    numbers: Sequence[Any]
