"""`feedgraph bench engine`: the engine beside stock Strawberry and beside a page written by hand."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer

from app import services, stores
from app.bench import engine_tables as tables
from app.bench.engine import BY_HAND, FLOOR, PLAN, STOCK, EnginePlan, Variant, measure
from app.bench.reports import write_markdown
from app.bench.wire import CannotMeasure
from app.cli import demo as demo_command
from app.cli.bench.outputs import FILE_WIDTH, refuse_unwritable
from app.cli.bench.servers import free_port, program
from app.cli.terminal import behind_a_bar, leave, output, say
from app.domain.demo import DEMO_USER_ID
from app.domain.errors import ConfigurationError
from app.infra import embedded, opening
from app.infra.embedded import Addresses
from app.infra.embedded.place import directory_of
from app.services.demo import WorldSize, is_empty
from app.settings import PREFIX, Settings

HOME = Path(".feedgraph/bench")
WORLD = "world.json"  # which world is in the home


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
        refuse_unwritable([json], markdown, tables.MARKERS)
        for log in home.glob("log-*"):  # of the last run's servers
            log.unlink()
        with embedded.running(home, say=say) as addresses, ExitStack() as stack:
            token = asyncio.run(prepared(addresses, home, size))
            variants = [stack.enter_context(started(home, addresses, name)) for name in (PLAN, STOCK, FLOOR)]
            plan = EnginePlan(variants, postgres_pid(home), token, users, seconds, rounds, connections)
            report = behind_a_bar(lambda tell: measure(plan, tell))
        tables.print_table(report, output(FILE_WIDTH))
        if json is not None:
            json.write_bytes(tables.as_json(report))
        if markdown is not None:
            write_markdown(markdown, tables.as_markdown(report), tables.MARKERS)
    except CannotMeasure as error:
        raise ConfigurationError(str(error)) from error


async def prepared(addresses: Addresses, home: Path, size: WorldSize) -> str:
    """Bring the database up to date, make the world where another or none is in it; return the token of an unlimited caller."""
    settings, marker, wanted = Settings.load(), home / WORLD, orjson.dumps(asdict(size))
    async with opening.migrated_database(settings, addresses.database_url, say=say) as db:
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


@contextmanager
def started(home: Path, addresses: Addresses, name: str) -> Iterator[Variant]:
    """Run one of the servers while the context is open.

    Raises:
        ConfigurationError: it did not start.
    """
    port = free_port()
    if name == FLOOR:
        with program(home, "app.bench.floor", addresses.database_url, str(port), port=port) as pid:
            yield Variant(name, port, pid, (BY_HAND,))
    else:
        with program(home, "app", "serve", port=port, **changes(addresses, name)) as pid:
            yield Variant(name, port, pid)


def changes(addresses: Addresses, name: str) -> dict[str, str]:
    """Return what a server has beside the defaults. Each has Redis keys of its own."""
    own = {PREFIX + "EXECUTOR": STOCK if name == STOCK else PLAN, PREFIX + "REDIS_PREFIX": f"bench-{name}:"}
    return own | {"DATABASE_URL": addresses.database_url, "REDIS_URL": addresses.redis_url}
