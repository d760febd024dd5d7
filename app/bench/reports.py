"""What the reports of all benchmarks have in common: the table's frame, the JSON document, the place in a Markdown file."""

import platform
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import orjson
from rich import box
from rich.table import Table

from app import __version__
from app.bench.wire import CannotMeasure

Markers: TypeAlias = tuple[str, str]

VERSIONS = {"feedgraph": __version__, "python": platform.python_version(), "aiohttp": aiohttp.__version__}


def framed(caption: str, *, padding: tuple[int, int] = (0, 1)) -> Table:
    """Return an empty table above its caption."""
    return Table(box=box.SIMPLE_HEAD, caption=caption, caption_justify="left", pad_edge=False, padding=padding)


def rounds_text(rounds: int, seconds: float) -> str:
    """Return what the figures are that were measured in rounds."""
    return f"{'one round' if rounds == 1 else f'medians of {rounds} rounds'} of {seconds:g} s"


def missed(is_reached: bool) -> str:
    """Return a word for a figure that was not reached."""
    return "" if is_reached else ", missed"


def document(benchmark: str, taken_at: datetime, figures: Mapping[str, Any]) -> bytes:
    """Return the JSON document of a benchmark: its figures, and when and by what they were taken."""
    head = {"benchmark": benchmark, "takenAt": taken_at.isoformat(timespec="seconds"), "versions": VERSIONS}
    return orjson.dumps({**head, **figures}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def put_into(text: str, markdown: str, *, name: str, markers: Markers) -> str:
    """Return a text with the table between its markers instead of what stood there.

    Raises:
        CannotMeasure: the two markers are not there once each, in this order; `name` is the file's.
    """
    begin, end_marker = markers
    start, end = text.find(begin), text.find(end_marker)
    if not 0 <= start < end or text.count(begin) != 1 or text.count(end_marker) != 1:
        raise CannotMeasure(
            f"{name} must have the lines {begin} and {end_marker} once each, in this order: the table goes between them."
        )
    return f"{text[: start + len(begin)]}\n\n{markdown}\n\n{text[end:]}"


def write_markdown(path: Path, markdown: str, markers: Markers) -> None:
    """Replace the table in a file; a file that is not there yet begins with it.

    Raises:
        CannotMeasure: the file is there without the markers.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else "\n".join([*markers, ""])
    path.write_text(put_into(text, markdown, name=str(path), markers=markers), encoding="utf-8")
