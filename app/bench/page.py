"""The report as one self-contained HTML page: plots, a table that sorts, and what each number means."""

import re
from html import escape
from pathlib import Path

import orjson

from app.bench.columns import columns_of
from app.bench.fetches import Report
from app.bench.plots import plot
from app.bench.screens import SCREENS
from app.bench.tables import caption

TEMPLATE = Path(__file__).with_name("page.html")
PLOTTED = ("requests", "statements", "wire_bytes", "cpu_ms", "wall_ms", "distant_ms")
PLACE = re.compile(r"\{\{(\w+)\}\}")

INTRODUCTION = (
    "The same three screens of one server are filled by different clients, which all end with exactly the same data: that is "
    "checked at every run. "
    "Requests, in this order:"
)
QUERIES = (
    "<h2>The queries</h2>"
    "<p>As they were sent. The home feed is read with a token, which every request of that screen carries.</p>"
)


def as_html(report: Report) -> str:
    """Return the page; it asks no server for anything."""
    values = {
        "title": "Fetches: REST and GraphQL on the same screens",
        "heading": "The same screens, fetched in different ways",
        "introduction": INTRODUCTION,
        "appendix": QUERIES + queries(report),
        "caption": escape(caption(report)),
        "headline": headline(report),
        "legend": legend(report),
        "plots": plots(report),
        "head": head(report),
        "body": body(report),
        "meanings": "".join(f"<dt>{escape(c.heading)}</dt><dd>{escape(c.meaning)}</dd>" for c in columns_of(report.plan)),
        "clients": "".join(
            f"<dt>{escape(name)}</dt><dd>{escape(client.meaning)}</dd>" for name, client in report.plan.clients.items()
        ),
    }
    return filled(values)


def filled(values: dict[str, str]) -> str:
    """Return the page's template with a value in each of its places."""
    return PLACE.sub(lambda match: values[match[1]], TEMPLATE.read_text(encoding="utf-8"))


def headline(report: Report) -> str:
    """Return the comparison in one sentence for each screen."""
    items = []
    for screen in SCREENS:
        requests = {cost.client: cost.requests for cost in report.costs if cost.screen == screen.name}
        figures = (f"<strong>{requests[n]:,}</strong>" if n == "GraphQL" else f"{requests[n]:,}" for n in report.plan.clients)
        items.append(
            f"<li><b>{escape(screen.name)}</b><span class='figures'>{' → '.join(figures)}</span>"
            f"<span>{escape(screen.shows)}</span></li>"
        )
    return "".join(items)


def legend(report: Report) -> str:
    """Return the colours of the clients."""
    return "".join(f'<li><i class="client-{place}"></i>{escape(name)}</li>' for place, name in enumerate(report.plan.clients))


def plots(report: Report) -> str:
    """Return a plot for each measure that is better seen than read."""
    chosen = [column for column in columns_of(report.plan) if column.field in PLOTTED]
    clients = list(report.plan.clients)
    return "".join(
        f"<figure><figcaption>{escape(column.heading)}</figcaption>{plot(column, report.costs, clients)}</figure>"
        for column in chosen
    )


def head(report: Report) -> str:
    """Return the table's headings; each is a button that sorts by its column."""
    headings = ["screen", "client", *(column.heading for column in columns_of(report.plan))]
    return "".join(f'<th scope="col"><button type="button">{escape(heading)}</button></th>' for heading in headings)


def body(report: Report) -> str:
    """Return the table's rows; `data-value` holds what a column is sorted by."""
    rows = []
    clients = list(report.plan.clients)
    for cost in report.costs:
        numbers = "".join(
            f'<td data-value="{column.of(cost) or 0}">{escape(column.text(cost))}</td>' for column in columns_of(report.plan)
        )
        place = clients.index(cost.client)
        rows.append(
            f'<tr><th scope="row">{escape(cost.screen)}</th><td><i class="client-{place}"></i>{cost.client}</td>{numbers}</tr>'
        )
    return "".join(rows)


def queries(report: Report) -> str:
    """Return the queries as they were sent, with their variables."""
    parts = []
    for screen in SCREENS:
        variables = orjson.dumps(screen.variables(report.target)).decode()
        parts.append(
            f"<details><summary>{escape(screen.name)}</summary><pre><code>{escape(screen.query.strip())}</code></pre>"
            f"<p>Variables: <code>{escape(variables)}</code></p></details>"
        )
    return "".join(parts)
