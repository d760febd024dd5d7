"""The report for terminals, for machines, and for a Markdown file."""

import platform
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from rich import box
from rich.console import Console
from rich.table import Table

from app import __version__
from app.bench.columns import columns_of
from app.bench.fetches import Report
from app.bench.screens import SCREENS
from app.bench.wire import CannotMeasure

BEGIN = "<!-- fetches:begin -->"
END = "<!-- fetches:end -->"
ROOMY = 130  # characters


def print_table(report: Report, console: Console) -> None:
    """Print the table; where it is too wide for the terminal, the terminal breaks its lines and no digit is lost."""
    console.print(terminal_table(report, width=console.width), crop=False)


def terminal_table(report: Report, *, width: int) -> Table:
    """Return one table with a section for each screen, for a terminal of `width` characters: 80 are enough."""
    columns = columns_of(report.plan)
    padding = (0, 1) if width >= ROOMY else (0, 0)
    table = Table(box=box.SIMPLE_HEAD, caption=caption(report), caption_justify="left", pad_edge=False, padding=padding)
    table.add_column("", no_wrap=True)
    for column in columns:
        longest = max(len(word) for word in [*column.heading.split(), *map(column.text, report.costs)])
        table.add_column(column.heading, justify="right", vertical="bottom", min_width=longest)
    for screen, of_screen in groupby(report.costs, key=lambda cost: cost.screen):
        table.add_row(screen, style="bold")
        for cost in of_screen:
            table.add_row(f"  {cost.client}", *(column.text(cost) for column in columns))
        table.add_section()
    return table


def caption(report: Report) -> str:
    """Return where the numbers come from, in one line."""
    plan = report.plan
    return (
        f"feedgraph {__version__} at {plan.url}, user {plan.user_id}, {runs_text(plan.runs)}, {report.taken_at:%Y-%m-%d}; "
        f"“ms at {plan.round_trip_ms:g} ms” adds {plan.round_trip_ms:g} ms for each round trip."
    )


def runs_text(runs: int) -> str:
    """Return what the times are."""
    return "one run" if runs == 1 else f"median of {runs} runs"


def as_json(report: Report) -> bytes:
    """Return everything that was measured, with what it takes to measure it again (the token is left out)."""
    plan = report.plan
    document: dict[str, Any] = {
        "benchmark": "fetches",
        "takenAt": report.taken_at.isoformat(timespec="seconds"),
        "versions": {"feedgraph": __version__, "python": platform.python_version(), "aiohttp": aiohttp.__version__},
        "url": plan.url,
        "userId": plan.user_id,
        "postId": report.target.post_id,
        "runs": plan.runs,
        "roundTripMs": plan.round_trip_ms,
        "columns": {column.field: column.meaning for column in columns_of(plan)},
        "screens": [
            {
                "name": screen.name,
                "shows": screen.shows,
                "query": screen.query,
                "variables": screen.variables(report.target),
                "costs": [rounded(asdict(cost)) for cost in report.costs if cost.screen == screen.name],
            }
            for screen in SCREENS
        ],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def rounded(cost: dict[str, Any]) -> dict[str, Any]:
    """Return a cost without its screen; a hundredth of a millisecond is all that times are good for."""
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in cost.items() if name != "screen"}


def as_markdown(report: Report) -> str:
    """Return the table in Markdown, with a line that tells where it comes from."""
    columns = columns_of(report.plan)
    lines = [
        "| screen | client | " + " | ".join(column.heading for column in columns) + " |",
        "|---|---|" + "---:|" * len(columns),
    ]
    for cost in report.costs:
        lines.append(f"| {cost.screen} | {cost.client} | " + " | ".join(column.text(cost) for column in columns) + " |")
    return "\n".join([*lines, "", caption(report)])


def put_into(text: str, markdown: str, *, name: str, markers: tuple[str, str] = (BEGIN, END)) -> str:
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


def write_markdown(path: Path, report: Report) -> None:
    """Replace the table in a file; a file that is not there yet begins with it.

    Raises:
        CannotMeasure: the file is there without the markers.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else f"{BEGIN}\n{END}\n"
    path.write_text(put_into(text, as_markdown(report), name=str(path)), encoding="utf-8")
