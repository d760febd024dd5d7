"""The report of ways of listening: for terminals, for machines, and as a page."""

from dataclasses import asdict
from html import escape
from typing import Any

from rich.console import Console

from app import __version__
from app.bench.columns import Column, Row, number_text
from app.bench.live import LiveCost, LiveReport
from app.bench.page import filled
from app.bench.plots import plot
from app.bench.reports import document, framed

PLOTTED = ("p50_ms", "p99_ms", "requests", "bytes_per_event", "connections", "cpu_s_per_1000")


class Figure(Column):
    """A measure that may be unknown, or smaller than one."""

    def text(self, cost: Row) -> str:
        """Return the number as people read it."""
        value = self.of(cost)
        if value is None:
            return "–"
        return f"{value:.3f}" if self.field == "cpu_s_per_1000" else number_text(value)


COLUMNS = [
    Figure(
        "p50_ms",
        "median ms",
        "From the moment that a post's row was made, as the post tells it in whole milliseconds, to the moment that a client has "
        "read it: the commit, the log and the way to the client. Half of the deliveries took less. Server and clients share one "
        "clock.",
    ),
    Figure("p99_ms", "p99 ms", "As before; of a hundred deliveries, one took longer."),
    Figure("deliveries", "deliveries", "Posts times clients. Each client heard of each post once, or the run would have failed."),
    Figure("requests", "requests", "HTTP requests of all clients, those included that open a stream or a socket."),
    Figure("wasted", "wasted", "Requests that were answered with no event."),
    Figure(
        "bytes_per_event",
        "bytes an event",
        "Everything that went through the clients' sockets in both directions, heads included, for each delivery. An event of "
        "REST holds the whole post, the WebSocket's what its subscription selects.",
    ),
    Figure("connections", "connections", "That the clients opened; they keep them open, polls too."),
    Figure(
        "cpu_s_per_1000",
        "CPU s per 1,000",
        "CPU seconds of the server's processes for a thousand deliveries, less what the same posts took without anybody who "
        "listens. Not PostgreSQL's and Redis's.",
    ),
]

INTRODUCTION = (
    "The same posts are written while clients listen: by asking again and again, by waiting for the answer, by a stream of "
    "events and by a WebSocket. All of them read one log and hear the same events in the same order. "
    "The median delay, and what it took:"
)
MEANINGS = {
    "short polling": "asks again after each interval, with the cursor and the tag of the last answer.",
    "long polling": "asks, and the answer waits for news for up to 25 seconds.",
    "server-sent events": "one request whose answer never ends.",
    "WebSocket": "a GraphQL subscription over graphql-transport-ws.",
}


def caption(report: LiveReport) -> str:
    """Return where the numbers come from, in one line."""
    plan = report.plan
    return (
        f"feedgraph {__version__} at {plan.url}, {plan.clients} clients, {plan.posts} posts at {plan.posts_per_s:g} a second, "
        f"{report.taken_at:%Y-%m-%d}."
    )


def print_table(report: LiveReport, console: Console) -> None:
    """Print the table."""
    table = framed(caption(report))
    table.add_column("way", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column.heading, justify="right", vertical="bottom")
    for cost in report.costs:
        table.add_row(cost.client, *(column.text(cost) for column in COLUMNS))
    console.print(table, crop=False)


def as_json(report: LiveReport) -> bytes:
    """Return everything that was measured, with what it takes to measure it again (the tokens are left out)."""
    plan = report.plan
    figures = {
        "url": plan.url,
        "clients": plan.clients,
        "posts": plan.posts,
        "postsPerS": plan.posts_per_s,
        "writingCpuS": report.writing_cpu_s,
        "columns": {column.field: column.meaning for column in COLUMNS},
        "ways": [ways_form(cost) for cost in report.costs],
    }
    return document("live", report.taken_at, figures)


def ways_form(cost: LiveCost) -> dict[str, Any]:
    """Return one way's figures; what is unknown is null."""
    figures = {name: value for name, value in asdict(cost).items() if name not in {"screen", "client"}}
    return {"name": cost.client, **{name: round(value, 4) for name, value in figures.items()}}


def as_html(report: LiveReport) -> str:
    """Return the page; it asks no server for anything."""
    names = [cost.client for cost in report.costs]
    return filled(
        {
            "title": "Ways of listening",
            "heading": "The same new posts, heard by every way",
            "introduction": INTRODUCTION,
            "caption": escape(caption(report)),
            "headline": "".join(map(headline, report.costs)),
            "legend": "".join(f'<li><i class="client-{place}"></i>{escape(name)}</li>' for place, name in enumerate(names)),
            "plots": "".join(figure(column, report, names) for column in COLUMNS if column.field in PLOTTED),
            "head": "".join(heading(text) for text in ("run", "way", *(column.heading for column in COLUMNS))),
            "body": "".join(row(cost, names.index(cost.client)) for cost in report.costs),
            "clients": "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in MEANINGS.items()),
            "meanings": "".join(f"<dt>{escape(c.heading)}</dt><dd>{escape(c.meaning)}</dd>" for c in COLUMNS),
            "appendix": "",
        }
    )


def headline(cost: LiveCost) -> str:
    """Return one way in a line."""
    cpu = next(column for column in COLUMNS if column.field == "cpu_s_per_1000").text(cost)
    return (
        f"<li><b>{escape(cost.client)}</b><span class='figures'><strong>{number_text(cost.p50_ms)}</strong> ms</span>"
        f"<span>{number_text(cost.requests)} requests, {number_text(cost.wasted)} in vain; {cpu} CPU s per 1,000</span></li>"
    )


def figure(column: Column, report: LiveReport, names: list[str]) -> str:
    """Return the plot of one measure; none where it is unknown."""
    if any(column.of(cost) is None for cost in report.costs):
        return ""
    return f"<figure><figcaption>{escape(column.heading)}</figcaption>{plot(column, report.costs, names)}</figure>"


def heading(text: str) -> str:
    """Return a heading that sorts by its column."""
    return f'<th scope="col"><button type="button">{escape(text)}</button></th>'


def row(cost: LiveCost, place: int) -> str:
    """Return one row of the table."""
    cells = "".join(f'<td data-value="{column.of(cost)}">{escape(column.text(cost))}</td>' for column in COLUMNS)
    return (
        f'<tr><th scope="row">{escape(cost.screen)}</th><td><i class="client-{place}"></i>{escape(cost.client)}</td>{cells}</tr>'
    )
