"""`feedgraph bench fan-out`: how many listeners one event reaches, how fast, and at what cost."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import aiohttp
import orjson
import typer
import uvloop
from rich.console import Console
from rich.table import Table

from app.bench import fanout as measuring
from app.bench.fanout import FanOut, Idle, Soak, Target
from app.bench.listeners import listener_of
from app.bench.wire import CannotMeasure
from app.cli.bench import servers
from app.cli.bench.outputs import FILE_WIDTH
from app.cli.bench.servers import free_port, own_home
from app.cli.terminal import leave, output, say
from app.domain.errors import ConfigurationError
from app.settings import PREFIX

LISTENERS_AT_MOST = 100_000
SPARE_DESCRIPTORS = 200
OURS = "app"
UNLIMITED = {  # what a crowd on one address needs
    f"{PREFIX}MAX_SOCKETS_PER_ADDRESS": str(LISTENERS_AT_MOST),
    f"{PREFIX}ANONYMOUS_POINTS": "1000000000",
    f"{PREFIX}ANONYMOUS_POINTS_PER_S": "100000000",
    f"{PREFIX}SIGNED_IN_POINTS": "1000000000",
    f"{PREFIX}SIGNED_IN_POINTS_PER_S": "100000000",
    f"{PREFIX}LOG_LEVEL": "error",
}


def fan_out(  # noqa: PLR0913, PLR0917  # one for each option
    listeners: Annotated[int, typer.Option("--fan-out", min=1, max=LISTENERS_AT_MOST, help="Listeners that hear.")] = 1_000,
    idle: Annotated[int, typer.Option(min=0, max=LISTENERS_AT_MOST, help="Listeners that only wait; 0: none.")] = 0,
    soak: Annotated[float, typer.Option(min=0, help="Seconds of comings and goings; 0: none.")] = 0,
    events: Annotated[int, typer.Option(min=10, max=100_000, help="Posts in the burst.")] = 300,
    rate: Annotated[float, typer.Option(min=0.1, max=1_000, help="Posts a second when paced.")] = 20,
    compare: Annotated[bool, typer.Option(help="Measure a bare loop and stock Strawberry, too.")] = True,
    beside: Annotated[str, typer.Option(help="Measure a server of yours, too: its address; it has postAdded at /graphql.")] = "",
    mutation: Annotated[str, typer.Option(help="What makes that server tell of a post; it gets $title.")] = "",
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
) -> None:
    """Let many sockets listen to one stream of posts, beside a bare loop and a stock server."""
    signal.signal(signal.SIGTERM, leave)
    allow_descriptors(max(listeners, idle) + SPARE_DESCRIPTORS)
    try:
        another = other_server(beside, mutation) if beside else None
        reports = uvloop.run(measured(listeners, idle, soak, events, rate, compare=compare, another=another))
    except (CannotMeasure, aiohttp.ClientError) as error:
        raise ConfigurationError(str(error)) from error
    show(reports, output(FILE_WIDTH))
    if json is not None:
        json.write_bytes(orjson.dumps([measuring.as_dict(report) for report in reports], option=orjson.OPT_INDENT_2))
        say(f"Wrote {json}.")


def other_server(url: str, mutation: str) -> Target:
    """Return a server that is up already.

    Raises:
        CannotMeasure: it is not one of this machine, whose CPU time can be seen.
    """
    pid = listener_of(url)
    if pid is None:
        raise CannotMeasure(f"No process of this machine that we may look into listens at {url}.")
    return Target(url, url.rstrip("/"), pid, mutation=mutation)


def allow_descriptors(count: int) -> None:
    """Allow this process, and those that it starts, so many open files.

    Raises:
        ConfigurationError: the system does not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            raise ConfigurationError(f"{count:,} connections need `ulimit -n {count}`; the limit here is {hard:,}.")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


async def measured(  # one for each option
    listeners: int, idle: int, soak: float, events: int, rate: float, *, compare: bool, another: Target | None
) -> list[FanOut | Idle | Soak]:
    """Start what is compared, one after the other, and measure it."""
    reports: list[FanOut | Idle | Soak] = []
    others = [("bare loop", "app.bench.loops.bare"), ("stock Strawberry", "app.bench.loops.stock")] if compare else []
    async with aiohttp.ClientSession() as session:
        for name, module in others:
            say(f"Measuring {name} …")
            with program(name, module) as target:
                few = events if name == "bare loop" else max(10, events // 10)  # stock takes its time
                reports.append(
                    await measuring.fan_out(session, target, listeners=listeners, events=few, rate=rate if few == events else 1)
                )
        if another is not None:
            say(f"Measuring {another.name} …")
            reports.append(await measuring.fan_out(session, another, listeners=listeners, events=events, rate=rate))
        say("Measuring feedgraph …")
        with program("feedgraph", OURS) as target:
            token = await measuring.signed_up(session, target.url)
            ours = Target(target.name, target.url, target.pid, token)
            reports.append(await measuring.fan_out(session, ours, listeners=listeners, events=events, rate=rate))
        for work in ([measuring.idle] if idle else []) + ([measuring.soak] if soak else []):  # each with a process of its own
            say(f"Measuring {work.__name__} …")
            with program("feedgraph", OURS) as target:
                ours = Target(target.name, target.url, target.pid, await measuring.signed_up(session, target.url))
                if work is measuring.idle:
                    reports.append(await measuring.idle(session, ours, listeners=idle))
                else:
                    reports.append(await measuring.soak(session, ours, seconds=soak, tell=say))
    return reports


@contextmanager
def program(name: str, module: str) -> Iterator[Target]:
    """Run a server, ours or one to compare with, until the context ends.

    Raises:
        ConfigurationError: it did not start.
    """
    port = free_port()
    arguments = ["serve"] if module == OURS else [str(port)]
    with own_home() as home, servers.program(home, module, *arguments, port=port, **UNLIMITED) as pid:
        yield Target(name, f"http://127.0.0.1:{port}", pid)


def show(reports: list[FanOut | Idle | Soak], console: Console) -> None:
    """Print the reports as tables."""
    rows = [report for report in reports if isinstance(report, FanOut)]
    table = Table(title=f"One event to {rows[0].listeners:,} listeners")
    columns = ("deliveries/s", "server CPU s per 1,000", "the same paced", "client CPU s per 1,000")
    for column in ("server", *columns, "one event ms", "paced p50 ms", "paced p99 ms"):
        table.add_column(column, justify="left" if column == "server" else "right")
    for row in rows:
        cpu = (row.server_cpu_s_per_1000, row.paced_server_cpu_s_per_1000, row.client_cpu_s_per_1000)
        times = (row.one_event_ms, row.paced_p50_ms, row.paced_p99_ms)
        figures = (*(f"{seconds:.4f}" for seconds in cpu), *(f"{ms:.1f}" for ms in times))
        table.add_row(row.name, f"{row.deliveries_per_s:,.0f}", *figures)
    console.print(table)
    for other in rows[:-1]:
        console.print(compared(rows[-1], other))
    for report in reports:
        if isinstance(report, Idle):
            memory = f"{report.kib_each:.1f} KiB each"
            console.print(f"{report.listeners:,} idle subscriptions: {memory}; one event to all in {report.one_event_ms:.0f} ms")
        elif isinstance(report, Soak):
            (_, first, _), (second, last, descriptors) = report.samples[0], report.samples[-1]
            console.print(
                f"{report.rounds:,} rounds in {second:.0f} s: {first:.1f} MiB at first, {last:.1f} MiB and {descriptors} "
                "descriptors at last"
            )


def compared(ours: FanOut, other: FanOut) -> str:
    """Return how feedgraph stands to another server of the same run."""
    rate = ours.deliveries_per_s / other.deliveries_per_s
    burst, paced = (
        mine / theirs if theirs else float("inf")
        for mine, theirs in (
            (ours.server_cpu_s_per_1000, other.server_cpu_s_per_1000),
            (ours.paced_server_cpu_s_per_1000, other.paced_server_cpu_s_per_1000),
        )
    )
    return (
        f"beside {other.name}: {rate:.2f} times the deliveries/s, {burst:.2f} times the server CPU, {paced:.2f} times when paced"
    )
