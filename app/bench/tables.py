"""The report for terminals, for machines, and for a Markdown file."""

from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table

from app import __version__
from app.bench.columns import columns_of
from app.bench.fetches import Report
from app.bench.reports import document, framed
from app.bench.screens import SCREENS

MARKERS = "<!-- fetches:begin -->", "<!-- fetches:end -->"
ROOMY = 130  # characters


def print_table(report: Report, console: Console) -> None:
    """Print the table; where it is too wide for the terminal, the terminal breaks its lines and no digit is lost."""
    console.print(terminal_table(report, width=console.width), crop=False)


def terminal_table(report: Report, *, width: int) -> Table:
    """Return one table with a section for each screen, for a terminal of `width` characters: 80 are enough."""
    columns = columns_of(report.plan)
    table = framed(caption(report), padding=(0, 1) if width >= ROOMY else (0, 0))
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
    figures = {
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
    return document("fetches", report.taken_at, figures)


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
