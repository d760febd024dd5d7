"""`feedgraph bench engine`: the engine beside stock Strawberry and beside a page written by hand."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app import services, stores, wiring
from app.bench import engine_tables as tables
from app.bench.engine import BY_HAND, FLOOR, PLAN, STOCK, EnginePlan, EngineReport, Variant, measure
from app.bench.wire import CannotMeasure
from app.cli import demo as demo_command
from app.cli.backends import console, say
from app.cli.bench import FILE_WIDTH, await_ready, free_port, own_environment, stop
from app.cli.serve import leave
from app.domain.demo import DEMO_USER_ID
from app.domain.errors import ConfigurationError
from app.infra import embedded
from app.infra.embedded import Addresses
from app.infra.embedded.place import directory_of
from app.infra.embedded.process import dying_with_parent
from app.services.demo import WorldSize, is_empty
from app.settings import PREFIX, Settings

HOME = Path(".feedgraph/bench")
WORLD = "world.json"  # which world is in the home
SERVE = ("-m", "app", "serve")


def engine(  # noqa: PLR0913, PLR0917  # a command has as many arguments as options
    users: Annotated[int, typer.Option(help="People in the world that is queried; 123 to 100,000.")] = 5_000,
    posts: Annotated[int, typer.Option(help="Top-level posts.")] = 100_000,
    replies: Annotated[int, typer.Option(help="Replies.")] = 300_000,
    follows: Annotated[int, typer.Option(help="Follows.")] = 250_000,
    likes: Annotated[int, typer.Option(help="Likes.")] = 500_000,
    seconds: Annotated[float, typer.Option(min=0.05, max=600, help="Length of one measurement.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, max=1_000, help="Measurements of each; the table shows medians.")] = 5,
    connections: Annotated[int, typer.Option(min=1, max=1_000, help="Connections that are kept busy.")] = 16,
    data_dir: Annotated[Path, typer.Option(help="Where the world is kept between runs.")] = HOME,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help=f"Put the table into this file, between {' and '.join(tables.MARKERS)}.")
    ] = None,
) -> None:
    """Measure three queries by plans, by stock Strawberry in the same server, and one of them as a page written by hand."""
    signal.signal(signal.SIGTERM, leave)
    size = WorldSize(users, posts, replies, follows, likes)
    home = data_dir.expanduser().absolute()
    try:
        with embedded.running(home, say=say) as addresses, ExitStack() as stack:
            token = asyncio.run(prepared(addresses, home, size))
            servers = [stack.enter_context(started(home, addresses, name)) for name in (PLAN, STOCK, FLOOR)]
            variants = [server.ready() for server in servers]
            plan = EnginePlan(variants, postgres_pid(home), token, users, seconds, rounds, connections)
            report = measured(plan)
        tables.print_table(report, Console(width=None if sys.stdout.isatty() else FILE_WIDTH))
        if json is not None:
            json.write_bytes(tables.as_json(report))
        if markdown is not None:
            tables.write_markdown(markdown, report)
    except CannotMeasure as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise ConfigurationError(f"Cannot write {error.filename}: {error.strerror}.") from error


def measured(plan: EnginePlan) -> EngineReport:
    """Carry the plan out behind a progress bar."""
    columns = TextColumn("{task.description:>12}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as display:
        bar = display.add_task("", total=None)
        return asyncio.run(
            measure(plan, lambda what, done, total: display.update(bar, description=what, completed=done, total=total))
        )


async def prepared(addresses: Addresses, home: Path, size: WorldSize) -> str:
    """Bring the database up to date, make the world where another or none is in it; return the token of an unlimited caller."""
    settings, marker, wanted = Settings.load(), home / WORLD, orjson.dumps(asdict(size))
    async with wiring.migrated_database(settings, addresses.database_url, say=say) as db:
        if not marker.exists() or marker.read_bytes() != wanted:
            say("Making the world; it is kept for the next run …")
            marker.unlink(missing_ok=True)
            say(await demo_command.loaded(settings, db, size, demo_command.DEFAULT_SEED, replace=not await is_empty(db)))
            marker.write_bytes(wanted)
        [user] = await stores.users.by_ids(db, [DEMO_USER_ID])
        return await services.sessions.give(db, settings, username=user.username, is_unlimited=True)


def postgres_pid(home: Path) -> int:
    """Return the process that all of the embedded PostgreSQL's processes come from."""
    return int((directory_of(home.resolve()) / "postgres" / "postmaster.pid").read_text().split()[0])


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was started."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def ready(self) -> Variant:
        """Wait until it can serve.

        Raises:
            ConfigurationError: it ended, or took too long.
        """
        await_ready(self.process, self.port, self.log)
        return Variant(self.name, self.port, self.process.pid, *(((BY_HAND,),) if self.name == FLOOR else ()))


@contextmanager
def started(home: Path, addresses: Addresses, name: str) -> Iterator[Server]:
    """Run one of the servers while the context is open; it gets ready by itself."""
    port, log = free_port(), home / f"{name.replace(' ', '-')}.log"
    command = ("-m", "app.bench.floor", addresses.database_url, str(port)) if name == FLOOR else SERVE
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=home,  # no .env there
            env=environment(home, addresses, port, name),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # the terminal's Ctrl-C is for us; we stop it
            preexec_fn=dying_with_parent(signal.SIGTERM, set()),  # noqa: PLW1509  # it only makes two system calls
        )
    try:
        yield Server(name, port, process, log)
    finally:
        stop(process)


def environment(home: Path, addresses: Addresses, port: int, name: str) -> dict[str, str]:
    """Return a server's environment: no setting of feedgraph but these. Each has Redis keys of its own."""
    own = {PREFIX + "EXECUTOR": name if name == STOCK else PLAN, PREFIX + "REDIS_PREFIX": f"bench-{name}:"}
    return own_environment(home, port) | own | {"DATABASE_URL": addresses.database_url, "REDIS_URL": addresses.redis_url}
