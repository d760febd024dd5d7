"""The columns of the comparison: one list for the terminal, Markdown and the page."""

import math
from dataclasses import dataclass
from typing import Protocol

from app.bench.fetches import Plan


class Row(Protocol):
    """One line of a comparison: what was done, by which client, and its measures as further fields."""

    @property
    def screen(self) -> str:
        """What was done."""

    @property
    def client(self) -> str:
        """By whom, or how."""


@dataclass(frozen=True)
class Column:
    """One measure: the field of a row, how it is headed, and what exactly is counted."""

    field: str
    heading: str
    meaning: str

    def of(self, cost: Row) -> float | None:
        """Return the column's number, None where it could not be measured."""
        value = getattr(cost, self.field)
        return None if value is None or math.isnan(value) else float(value)

    def text(self, cost: Row) -> str:
        """Return the column's number as people read it."""
        number = self.of(cost)
        return "–" if number is None else number_text(number)


def columns_of(plan: Plan) -> list[Column]:
    """Return the columns, in order; the last one's heading tells the plan's round trip time."""
    how_often = "one run" if plan.runs == 1 else f"the median of {plan.runs} runs"
    delay = f"{plan.round_trip_ms:g} ms"
    return [
        Column("requests", "requests", "HTTP requests until the screen is complete."),
        Column(
            "round_trips",
            "round trips",
            "The longest chain of requests that had to wait for each other. The naive client waits every time. For the careful "
            "one any number of siblings counts as one, although its requests share six connections: that flatters it.",
        ),
        Column(
            "statements",
            "SQL",
            "SQL statements that the server ran, by its own count (header Feedgraph-Counts), asked for in a round of its own so "
            "that the header is in no other column. Finding out whose token a request carries is one of them.",
        ),
        Column("rows", "rows", "Rows that these statements gave."),
        Column(
            "wire_bytes",
            "bytes on the wire",
            "Everything that went through the client's sockets in both directions: request lines, status lines, headers and "
            "bodies. Not: TCP and IP headers, and opening the connections, which stay open between runs.",
        ),
        Column("body_bytes", "body bytes", "The response bodies alone."),
        Column(
            "unneeded_bytes",
            "not needed",
            "Body bytes beyond the least that the screen needs: each distinct user and post once, as compact JSON of just the "
            "fields that it shows. Other fields, the same author again and envelopes are not needed, for GraphQL too.",
        ),
        Column(
            "cpu_ms",
            "CPU ms",
            f"CPU time of the server for one screen, with what it started (its own PostgreSQL and Valkey): the mean of "
            f"{plan.cpu_runs} fetches in a row; – where the server runs elsewhere.",
        ),
        Column("wall_ms", "ms here", f"Wall time of one screen as measured, with open connections; {how_often}."),
        Column(
            "distant_ms",
            f"ms at {delay}",
            f"The wall time plus {delay} for each sequential round trip: computed, not measured. It leaves out how long the "
            "bytes take and how many connections there are.",
        ),
    ]


def number_text(number: float) -> str:
    """Return a number with thousands set apart; below 100 milliseconds one decimal tells more."""
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:,.1f}"
