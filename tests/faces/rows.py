"""What all faces can give: rows, pages and refusals."""

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


class Refused(Exception):
    """The server refused; the text is the code."""


@dataclass
class Page:
    """A page in the form that all faces can give; a cursor is None where there is no such page."""

    rows: list[Row]
    next: str | None
    previous: str | None
