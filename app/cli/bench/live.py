"""`feedgraph bench live`: every way of listening on the same stream of posts."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.bench import live_tables
from app.bench.live import INTERVALS_S, LivePlan, measure
from app.bench.wire import CannotMeasure
from app.cli.bench.outputs import FILE_WIDTH, refuse_unwritable
from app.cli.bench.servers import own_server
from app.cli.terminal import behind_a_bar, leave, output, say
from app.domain.demo import DEMO_TOKEN
from app.domain.errors import ConfigurationError

ROOMY = {"ANONYMOUS_POINTS": "1000000000", "MAX_SOCKETS_PER_ADDRESS": "100000", "MAX_RUNNING_PER_CALLER": "100000"}


def live(  # noqa: PLR0913, PLR0917  # a command has as many arguments as options
    url: Annotated[str | None, typer.Option(help="Server to measure. Default: one of its own, with demo data.")] = None,
    token: Annotated[str, typer.Option(help="Token of whoever writes.", show_default="the demo user's")] = "",
    listener_token: Annotated[str, typer.Option(help="Token of those who listen; an unlimited one with --url.")] = "",
    clients: Annotated[int, typer.Option(min=1, max=10_000, help="Clients that listen at once.")] = 50,
    rate: Annotated[float, typer.Option(min=0.1, max=1_000, help="Posts a second.")] = 2,
    seconds: Annotated[float, typer.Option(min=0.1, max=3_600, help="How long posts are written for each way.")] = 10,
    interval: Annotated[list[float] | None, typer.Option(help="Seconds between short polls; may be repeated.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots.")] = None,
) -> None:
    """Compare short polling, long polling, server-sent events and WebSockets on the same stream of posts."""
    signal.signal(signal.SIGTERM, leave)
    try:
        refuse_unwritable([json, html])
        with server(url) as address:
            intervals = tuple(interval or INTERVALS_S)
            plan = LivePlan(address, token or DEMO_TOKEN, listener_token, clients, rate, seconds, intervals)
            report = behind_a_bar(lambda tell: measure(plan, tell))
        live_tables.print_table(report, output(FILE_WIDTH))
        if json is not None:
            json.write_bytes(live_tables.as_json(report))
        if html is not None:
            html.write_text(live_tables.as_html(report), encoding="utf-8")
    except CannotMeasure as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise ConfigurationError(f"Cannot write {error.filename}: {error.strerror}.") from error


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """Give the server to measure: the named one, or one for this run that lets its clients ask for as much as they like."""
    if url is not None:
        yield url
        return
    say("Starting a server with demo data for this run …")
    with own_server(**ROOMY) as address:
        yield address
