"""Where a benchmark's results go."""

from collections.abc import Iterable
from pathlib import Path

from app.bench.reports import Markers, put_into
from app.domain.errors import ConfigurationError

FILE_WIDTH = 160  # characters, where standard output is no terminal


def refuse_unwritable(paths: Iterable[Path | None], markdown: Path | None = None, markers: Markers = ("", "")) -> None:
    """Say before anything is measured that its result would have no place.

    Raises:
        ConfigurationError: a path is a directory, or lies in one that is not there.
        CannotMeasure: the Markdown file has no place for the table.
    """
    for path in filter(None, (*paths, markdown)):
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise ConfigurationError(f"Cannot write {path}: it is a directory, or lies in one that does not exist.")
    if markdown is not None and markdown.exists():
        put_into(markdown.read_text(encoding="utf-8"), "", name=str(markdown), markers=markers)
