"""Bars as inline SVG: one small plot for each measure, screens as groups, clients as colours of the page."""

from collections.abc import Sequence
from html import escape
from itertools import groupby

from app.bench.columns import Column, Row

WIDTH = 460
BAR = 15  # pixels high
GAP = 3
GROUP_GAP = 14
TITLE = 20  # above each group
NUMBER = 74  # kept free at the right for the longest number


def plot(column: Column, costs: Sequence[Row], clients: list[str]) -> str:
    """Return the bars of one column; a client's bars have the class `client-<its place>`."""
    longest = max(column.of(cost) or 0 for cost in costs) or 1
    parts: list[str] = []
    top = 0
    for screen, of_screen in groupby(costs, key=lambda cost: cost.screen):
        parts.append(f'<text class="screen" x="0" y="{top + 13}">{escape(screen)}</text>')
        top += TITLE
        for cost in of_screen:
            parts.append(bar(column, cost, clients.index(cost.client), (column.of(cost) or 0) / longest, top))
            top += BAR + GAP
        top += GROUP_GAP
    label = f"{column.heading}, by screen and client"
    height = top - GROUP_GAP
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def bar(column: Column, cost: Row, place: int, share: float, top: int) -> str:
    """Return one bar with its number; the shortest still shows."""
    length = max(2.0, share * (WIDTH - NUMBER))
    tip = f"{cost.screen}, {cost.client}: {column.text(cost)} {column.heading}"
    place_and_size = f'x="0" y="{top}" width="{length:.1f}" height="{BAR}"'
    return (
        f'<g><title>{escape(tip)}</title><rect class="client-{place}" {place_and_size} rx="2"/>'
        f'<text class="number" x="{length + 6:.1f}" y="{top + BAR - 3}">{column.text(cost)}</text></g>'
    )
