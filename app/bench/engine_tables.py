"""The engine's report for terminals, for machines, and for a Markdown file."""

import platform
from dataclasses import asdict

from rich.console import Console

from app import __version__
from app.bench.engine import BY_HAND, FLOOR, LEAST_LESS, MOST_OF_FLOOR, QUERIES, STOCK, EngineReport, Sample
from app.bench.reports import document, framed, missed, rounds_text

MARKERS = "<!-- engine:begin -->", "<!-- engine:end -->"
HEADINGS = ("requests/s", "server ms", "PostgreSQL ms", "together ms", "p50 ms", "p99 ms")


def rows_of(report: EngineReport) -> list[tuple[str, str, Sample]]:
    """Return the medians, each with its query and variant."""
    turns = [(query, variant.name) for query in QUERIES for variant in report.plan.variants if query in variant.queries]
    return [(query, name, report.typical(query, name)) for query, name in turns]


def cells_of(sample: Sample) -> tuple[str, ...]:
    """Return a sample as it is shown; CPU times in milliseconds for each request."""
    times = (f"{value:.3f}" for value in (sample.server_ms, sample.postgres_ms, sample.total_ms))
    return f"{sample.per_s:,.0f}", *times, f"{sample.p50_ms:.1f}", f"{sample.p99_ms:.1f}"


def verdicts(report: EngineReport) -> list[str]:
    """Return the ratios, each beside what is wanted."""
    names = {variant.name for variant in report.plan.variants}
    found = []
    if STOCK in names:
        for query, least in LEAST_LESS.items():
            times = report.times_less(query)
            found.append(f"{query}: {times:.1f} times less server CPU than stock (wanted: {least:g}){missed(times >= least)}")
    if FLOOR in names:
        times = report.times_floor
        wanted = f"(wanted: at most {MOST_OF_FLOOR:g}){missed(times <= MOST_OF_FLOOR)}"
        found.append(f"{BY_HAND}: {times:.2f} times the total CPU of the page by hand {wanted}")
    return found


def caption(report: EngineReport) -> str:
    """Return where the numbers come from, in one line."""
    plan = report.plan
    return (
        f"feedgraph {__version__}, Python {platform.python_version()}, {plan.users:,} users, {plan.connections} connections, "
        f"{rounds_text(plan.rounds, plan.seconds)}, {report.taken_at:%Y-%m-%d}; ms are CPU for each request."
    )


def print_table(report: EngineReport, console: Console) -> None:
    """Print the table and the ratios."""
    table = framed(caption(report))
    table.add_column("", no_wrap=True)
    table.add_column("")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    last = ""
    for query, name, sample in rows_of(report):
        table.add_row("" if query == last else query, name, *cells_of(sample))
        last = query
    console.print(table)
    for verdict in verdicts(report):
        console.print(verdict, highlight=False)


def as_markdown(report: EngineReport) -> str:
    """Return the table and the ratios in Markdown."""
    lines = ["| query | executed | " + " | ".join(HEADINGS) + " |", "|---|---|" + "---:|" * len(HEADINGS)]
    lines += [f"| {query} | {name} | " + " | ".join(cells_of(sample)) + " |" for query, name, sample in rows_of(report)]
    return "\n".join([*lines, "", *(f"- {verdict}" for verdict in verdicts(report)), "", caption(report)])


def as_json(report: EngineReport) -> bytes:
    """Return every sample of every round, the medians and the ratios."""
    plan = report.plan
    names = {variant.name for variant in plan.variants}
    figures = {
        "users": plan.users,
        "connections": plan.connections,
        "seconds": plan.seconds,
        "queries": QUERIES,
        "medians": [asdict(sample) for _, _, sample in rows_of(report)],
        "timesLessServerCpu": {query: report.times_less(query) for query in QUERIES} if STOCK in names else {},
        "timesFloor": report.times_floor if FLOOR in names else None,
        "samples": [asdict(sample) for sample in report.samples],
    }
    return document("engine", report.taken_at, figures)
