"""`feedgraph bench fetches`: the same screens by REST and by GraphQL."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from app.bench import fetches as measuring
from app.bench import page, tables
from app.bench.fetches import CPU_RUNS, Plan, Report
from app.bench.reports import write_markdown
from app.bench.wire import CannotMeasure
from app.cli.bench.outputs import FILE_WIDTH, refuse_unwritable
from app.cli.bench.servers import grpc_beside, server
from app.cli.terminal import behind_a_bar, leave, output, say
from app.domain.demo import DEMO_TOKEN, DEMO_USER_ID
from app.domain.errors import ConfigurationError


def fetches(  # noqa: PLR0913, PLR0917  # a command has as many arguments as options
    url: Annotated[
        str | None,
        typer.Option(
            help="Server to measure. Default: the one on the configured port; none there: one of its own, with demo data."
        ),
    ] = None,
    user: Annotated[str, typer.Option(help="Whose profile is fetched.")] = str(DEMO_USER_ID),
    token: Annotated[
        str, typer.Option(help="Token of the person whose home feed is fetched.", show_default="the demo user's")
    ] = "",
    post: Annotated[str | None, typer.Option(help="Post of the thread. Default: the newest with 20 replies.")] = None,
    runs: Annotated[int, typer.Option(min=1, max=1_000, help="Timed runs; times are their medians.")] = 9,
    cpu_runs: Annotated[int, typer.Option(min=1, max=1_000, help="Fetches in a row whose CPU time is told.")] = CPU_RUNS,
    round_trip_ms: Annotated[float, typer.Option(min=0, max=10_000, help="Delay of a distant server, for the last column.")] = 50,
    every: Annotated[
        bool, typer.Option("--all", help="Every way, not only the usual three: REST tuned by fields=, include= and gRPC as well.")
    ] = False,
    grpc: Annotated[
        str | None, typer.Option(help="Where the server listens for gRPC, for --all.", show_default="the port beside the url's")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help=f"Put the table into this file, between {' and '.join(tables.MARKERS)}.")
    ] = None,
) -> None:
    """Fetch the same screens by naive REST, careful REST, GraphQL and (--all) tuned REST and gRPC; compare what each costs."""
    signal.signal(signal.SIGTERM, leave)
    writers: list[tuple[Path | None, Callable[[Path, Report], Any]]] = [
        (json, lambda path, report: path.write_bytes(tables.as_json(report))),
        (html, lambda path, report: path.write_text(page.as_html(report), encoding="utf-8")),
        (markdown, lambda path, report: write_markdown(path, tables.as_markdown(report), tables.MARKERS)),
    ]
    try:
        refuse_unwritable([json, html], markdown, tables.MARKERS)
        with server(url) as address:
            own_grpc = grpc or grpc_beside(address) if every else None
            plan = Plan(address, user, token or DEMO_TOKEN, post, runs, round_trip_ms, cpu_runs, every=every, grpc=own_grpc)
            report = behind_a_bar(lambda tell: measuring.measure(plan, tell))
        tables.print_table(report, output(FILE_WIDTH))
        for path, write in writers:
            if path is not None:
                write(path, report)
                say(f"Wrote {path}.")
    except CannotMeasure as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise ConfigurationError(f"Cannot write {error.filename}: {error.strerror}.") from error
