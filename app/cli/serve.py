"""`feedgraph serve`: the server."""

import asyncio
import os
import signal
import socket
import sys
from typing import Annotated

import typer
import uvloop
from pydantic import SecretStr

from app import wiring
from app.cli import demo as demo_command
from app.cli.backends import owned
from app.cli.terminal import console, leave, say
from app.domain.demo import DEMO_USER_ID
from app.domain.errors import ConfigurationError
from app.infra import opening
from app.infra.embedded import Addresses
from app.infra.telemetry import configure_logs
from app.infra.workers import Workers, say_ready, this_program
from app.services.demo import WorldSize, is_empty
from app.settings import Settings, variable_of

EMBEDDED_CONNECTIONS = 40  # of the 50 that the embedded PostgreSQL takes; commands beside the server need some
STOP_GRACE_S = 5.0


def serve(
    demo: Annotated[bool, typer.Option("--demo", help="First load the demo world, if nobody is there yet.")] = False,
    processes: Annotated[int, typer.Option("--processes", min=1, max=64, help="Processes that share the port.")] = 1,
    ready_fd: Annotated[int | None, typer.Option("--ready-fd", hidden=True, help="For processes of --processes.")] = None,
) -> None:
    """Serve GraphQL, REST, gRPC and GraphiQL; with no DATABASE_URL and REDIS_URL, on embedded servers of its own."""
    signal.signal(signal.SIGTERM, leave)
    settings = Settings.load()
    configure_logs(level=settings.log_level, style=settings.log_style)
    if ready_fd is not None:
        uvloop.run(serve_as_one_of_many(settings, ready_fd))
        return
    refuse_taken_port(settings.host, settings.port, "FEEDGRAPH_PORT")
    if settings.grpc:
        refuse_taken_port(settings.host, settings.served_grpc_port, "FEEDGRAPH_GRPC_PORT")
    with owned(settings) as addresses:
        try:
            if demo and settings.is_production:
                say("This is production: the demo world is not loaded.")
            uvloop.run(start(settings, addresses, demo=demo and not settings.is_production, processes=processes))
        except KeyboardInterrupt:
            sys.exit(130)
    say("Stopped.")


async def start(settings: Settings, addresses: Addresses, *, demo: bool, processes: int) -> None:
    """Load the demo world where it is wanted and missing, then serve."""
    if demo:
        async with opening.migrated_database(settings, addresses.database_url, say=say) as db:
            if await is_empty(db):
                say("Loading the demo world …")
                say(await demo_command.loaded(settings, db, WorldSize.scaled(), demo_command.DEFAULT_SEED))
    if processes > 1:
        await serve_by_many(settings, addresses, processes)
    else:
        await wiring.serve(settings, addresses, say=say, ready=lambda token: announce(settings, token))


async def serve_by_many(settings: Settings, addresses: Addresses, processes: int) -> None:
    """Serve by several processes on one port until SIGTERM or SIGINT; the embedded servers stay with this one."""
    async with opening.migrated_database(settings, addresses.database_url, say=say) as db:
        token = await wiring.usable_demo_token(db, settings)
    environment = {**os.environ, "DATABASE_URL": addresses.database_url, "REDIS_URL": addresses.redis_url}
    if settings.database_url is None:
        pool_size = max(1, EMBEDDED_CONNECTIONS // processes - 1)  # and one for the relay
        environment[variable_of("db_pool_size")] = str(min(settings.db_pool_size, pool_size))
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    stop_s = settings.drain_s + settings.shutdown_timeout_s + STOP_GRACE_S
    workers = Workers(this_program("serve"), processes, environment=environment, stop_s=stop_s)
    await workers.run(ready=lambda: announce(settings, token), stop=stop)
    say("Stopping …")


async def serve_as_one_of_many(settings: Settings, ready_fd: int) -> None:
    """Serve as one of the processes that share the port, on the servers that the environment names."""
    addresses = Addresses(secret(settings.database_url), secret(settings.redis_url))
    await wiring.serve(settings, addresses, say=lambda _: None, ready=lambda _: say_ready(ready_fd), shares_port=True)


def secret(value: SecretStr | None) -> str:
    """Return a secret that must be there."""
    return value.get_secret_value() if value else ""


def refuse_taken_port(host: str, port: int, variable: str) -> None:
    """Say at once, before anything else is started, that a port is not to be had.

    Raises:
        ConfigurationError: another program listens there, or this user may not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = (
                f"Cannot listen on {host} port {port}: {error.strerror}. "
                f"Set {variable} or FEEDGRAPH_HOST, or stop the program that listens there."
            )
            raise ConfigurationError(message) from error


def announce(settings: Settings, demo_token: str | None) -> None:
    """Tell what to open and how to be somebody."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104  # compared, not bound
    base = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    example = f"/users/{DEMO_USER_ID}/posts" if demo_token else ""
    rest = [("REST", f"{base}/api/v1{example}"), ("REST docs", f"{base}/api/docs   (to read and to try)")]
    rows = [("GraphQL", f"{base}/graphql"), *rest, ("Health", f"{base}/readyz")]
    if settings.grpc:
        rows.insert(3, ("gRPC", settings.grpc_address.replace(settings.host, host)))
    if settings.serves_graphiql:
        rows.insert(0, ("GraphiQL", f"{base}/graphql   (open it in a browser)"))
    if demo_token:
        rows.append(("Demo user", f"{DEMO_USER_ID}, with the header   Authorization: Bearer {demo_token}"))
    say(f"feedgraph is ready ({settings.env}). Stop it with Ctrl-C.")
    for name, value in rows:
        console.print(f"  {name:<10} {value}", markup=False)
