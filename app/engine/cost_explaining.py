"""An operation's cost explained, field by field."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from app.engine.cost import Estimate, Formula, Step

ONCE = "once"
LONGEST = 200  # lines; an operation that spreads fragments in fragments could have millions


def explain(formula: Formula, estimate: Estimate) -> list[dict[str, Any]]:
    """Return a line for each field that costs something: its path, its weight, how often it counts, and what says so."""
    return list(islice(lines(formula, estimate, formula.steps[-1], (), 1, ONCE), LONGEST))


def lines(
    formula: Formula, estimate: Estimate, step: Step, path: tuple[str, ...], times: int, source: str
) -> Iterator[dict[str, Any]]:
    """Give the lines of a selection that counts `times` times; weights times multipliers add up to its cost."""
    for term in step.terms:
        here = (*path, term.key)
        if term.own:
            yield line(here, term.own, times, source)
        if not term.children:
            continue
        size, size_source = estimate.sizes[term.size] if term.size is not None else (1, "")
        multiplied = joined(source, ".".join(here), size_source) if term.size is not None else source
        dearest = max(term.children, key=lambda index: estimate.totals[index])
        below = estimate.totals[dearest]
        if term.is_counted and size > (below if term.is_connection else max(size, 1) * (term.each + below)):
            yield line(here, 1, times * size, f"{multiplied}, for the rows that are read")
            continue
        inside = times if term.is_connection else times * max(size, 1)
        if term.each:
            yield line(here, term.each, inside, source if term.is_connection else multiplied)
        child = formula.steps[dearest]
        place = here if len(term.children) == 1 else (*path, f"{term.key}<{child.type_name}>")
        yield from lines(formula, estimate, child, place, inside, source if term.is_connection else multiplied)


def joined(outer: str, path: str, size: str) -> str:
    """Return the reasons for a multiplier, from the outside in."""
    inner = f"{path} ({size})"
    return inner if outer == ONCE else f"{outer} x {inner}"


def line(path: tuple[str, ...], weight: float, multiplier: int, source: str) -> dict[str, Any]:
    """Return one line."""
    return {
        "path": ".".join(path),
        "weight": int(weight) if weight == int(weight) else weight,
        "multiplier": multiplier,
        "from": source,
    }
