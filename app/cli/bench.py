"""`feedgraph bench`: measures a running server, or one that is started for it."""

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.bench import fetches as measuring
from app.bench import page, tables
from app.bench.fetches import Plan, Report
from app.bench.wire import CannotMeasure
from app.cli.backends import console, say
from app.cli.serve import leave
from app.domain.demo import DEMO_TOKEN, DEMO_USER_ID
from app.domain.errors import ConfigurationError
from app.infra.embedded.process import dying_with_parent
from app.settings import PREFIX, Settings

Result = TypeVar("Result")
Tell: TypeAlias = Callable[[str, int, int], None]

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 10
POLL_S = 0.1
FILE_WIDTH = 160  # characters, where standard output is no terminal

app = typer.Typer(help="Measure a server as its clients see it.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure a server as its clients see it."""


@app.command()
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
        Path | None, typer.Option(help=f"Put the table into this file, between {tables.BEGIN} and {tables.END}.")
    ] = None,
) -> None:
    """Fetch the same screens by naive REST, careful REST, GraphQL and (--all) tuned REST and gRPC; compare what each costs."""
    signal.signal(signal.SIGTERM, leave)
    writers: list[tuple[Path | None, Callable[[Path, Report], Any]]] = [
        (json, lambda path, report: path.write_bytes(tables.as_json(report))),
        (html, lambda path, report: path.write_text(page.as_html(report), encoding="utf-8")),
        (markdown, tables.write_markdown),
    ]
    try:
        refuse_unwritable([json, html, markdown], markdown)
        with server(url) as address:
            own_grpc = grpc or grpc_beside(address) if every else None
            plan = Plan(address, user, token or DEMO_TOKEN, post, runs, round_trip_ms, every=every, grpc=own_grpc)
            report = behind_a_bar(lambda tell: measuring.measure(plan, tell))
        tables.print_table(report, Console(width=None if sys.stdout.isatty() else FILE_WIDTH))
        for path, write in writers:
            if path is not None:
                write(path, report)
                say(f"Wrote {path}.")
    except CannotMeasure as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise ConfigurationError(f"Cannot write {error.filename}: {error.strerror}.") from error


def refuse_unwritable(paths: list[Path | None], markdown: Path | None) -> None:
    """Say before anything is measured that its result would have no place.

    Raises:
        ConfigurationError: a path is a directory, or lies in one that is not there.
        CannotMeasure: the Markdown file has no place for the table.
    """
    for path in filter(None, paths):
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise ConfigurationError(f"Cannot write {path}: it is a directory, or lies in one that does not exist.")
    if markdown is not None and markdown.exists():
        tables.put_into(markdown.read_text(encoding="utf-8"), "", name=str(markdown))


def behind_a_bar(work: Callable[[Tell], Coroutine[Any, Any, Result]]) -> Result:
    """Return what the work gives, which tells a progress bar what it does, how much of it is done, and of how much."""
    columns = TextColumn("{task.description:>20}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        bar = display.add_task("", total=None)
        return asyncio.run(work(lambda what, done, total: display.update(bar, description=what, completed=done, total=total)))


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """Give the address of the server to measure: the named one, the one on the configured port, or one for this run."""
    settings = Settings.load()
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104  # compared, not bound
    if url is not None:
        yield url
    elif answers(host, settings.port):
        yield f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    else:
        say(f"Nothing runs on port {settings.port}: starting a server with demo data for this run …")
        with own_server() as address:
            yield address


def grpc_beside(url: str) -> str | None:
    """Return where the server at an address listens for gRPC; None where that can be no address."""
    settings, parts = Settings.load(), urlsplit(url)
    if parts.hostname is None or parts.port is None:
        return None
    own = {} if parts.port == settings.port else {"grpc_port": None}
    return settings.model_copy(update={"host": parts.hostname, "port": parts.port, **own}).grpc_address


def answers(host: str, port: int) -> bool:
    """Say whether anything listens there."""
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


@contextmanager
def own_server(**settings: str) -> Iterator[str]:
    """Give the address of a server that has its own data and these settings, and ends with the context.

    Raises:
        ConfigurationError: it did not start.
    """
    changes = {PREFIX + name: value for name, value in settings.items()}
    with own_home() as home, program(home, "app", "serve", "--demo", port=(port := free_port()), **changes):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def own_home() -> Iterator[Path]:
    """Give a directory for the servers of one run."""
    with tempfile.TemporaryDirectory(prefix="feedgraph-bench-") as name:
        home = Path(name)
        home.chmod(0o755)  # as root, the embedded PostgreSQL runs under another account
        yield home


@contextmanager
def program(home: Path, module: str, *arguments: str, port: int, **changes: str) -> Iterator[int]:
    """Run a Python module that listens on a port while the context is open; give its process id once it is ready.

    Raises:
        ConfigurationError: it did not start.
    """
    log = home / f"log-{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=home,  # no .env there: whatever database is configured, demo data must not land in it
            env=own_environment(home, port) | changes,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # the terminal's Ctrl-C is for us; we stop it
            preexec_fn=dying_with_parent(signal.SIGTERM, set()),  # noqa: PLW1509  # it only makes two system calls
        )
    try:
        await_ready(process, port, log)
        yield process.pid
    finally:
        stop(process)


def own_environment(home: Path, port: int) -> dict[str, str]:
    """Return the environment of the server: ours without any setting of feedgraph, but these."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}
    kept = {name: value for name, value in kept.items() if name.upper() not in {"DATABASE_URL", "REDIS_URL"}}
    own = {"PORT": str(port), "DATA_DIR": str(home / "data"), "LOG_LEVEL": "warning"}
    return kept | {PREFIX + name: value for name, value in own.items()}


def await_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until the server is ready, and tell meanwhile what it does.

    Raises:
        ConfigurationError: it ended, or took too long.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    with console.status("Starting …") as status:
        while not is_ready(port):
            lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            if lines:
                status.update(lines[-1].strip())
            if process.poll() is not None or time.monotonic() > deadline:
                reason = lines[-1].removeprefix("feedgraph: ") if lines else "it said nothing."
                raise ConfigurationError(f"The server for this run did not start: {reason}")
            time.sleep(POLL_S)


def is_ready(port: int) -> bool:
    """Say whether the server can serve."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server and what it started; if it does not end in time, end it by force."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
