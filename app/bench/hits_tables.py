"""The report on cache hits for terminals and for machines."""

import platform
from dataclasses import asdict

import aiohttp
from rich.console import Console

from app import __version__
from app.bench.hits import EXECUTED, FLOOR, HIT, LEAST, HitsReport
from app.bench.reports import document, framed, missed, rounds_text

WAYS = (HIT, FLOOR, EXECUTED)


def verdict(report: HitsReport) -> str:
    """Return the ratio beside what is wanted."""
    reached = f"A hit reaches {report.of_floor:.0%} of the floor's requests/s (wanted: {LEAST:.0%})"
    return f"{reached}{missed(report.of_floor >= LEAST)}, with {report.times_cpu:.2f} times its CPU."


def caption(report: HitsReport) -> str:
    """Return where the numbers come from, in one line."""
    plan = report.plan
    return (
        f"feedgraph {__version__}, Python {platform.python_version()}, aiohttp {aiohttp.__version__}, "
        f"{report.body_bytes:,} bytes, {plan.connections} connections, "
        f"{rounds_text(plan.rounds, plan.seconds)}, {report.taken_at:%Y-%m-%d}"
    )


def print_table(report: HitsReport, console: Console) -> None:
    """Print the table and the ratio."""
    table = framed(caption(report))
    table.add_column("", no_wrap=True)
    for heading in ("requests/s", "CPU ms", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right")
    for way in WAYS:
        sample = report.typical(way)
        table.add_row(way, f"{sample.per_s:,.0f}", f"{sample.cpu_ms:.3f}", f"{sample.p50_ms:.2f}", f"{sample.p99_ms:.2f}")
    console.print(table)
    console.print(verdict(report), highlight=False)


def as_json(report: HitsReport) -> bytes:
    """Return every sample of every round, the medians and the ratios."""
    figures = {
        "userId": report.plan.user_id,
        "connections": report.plan.connections,
        "seconds": report.plan.seconds,
        "bodyBytes": report.body_bytes,
        "medians": [asdict(report.typical(way)) for way in WAYS],
        "ofFloor": report.of_floor,
        "timesCpu": report.times_cpu,
        "samples": [asdict(sample) for sample in report.samples],
    }
    return document("cache", report.taken_at, figures)
