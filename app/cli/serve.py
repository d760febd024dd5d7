"""`feedgraph serve`: the server."""

import signal
import socket
import sys
from typing import Annotated

import typer
import uvloop

from app import wiring
from app.cli import demo as demo_command
from app.cli.backends import console, owned, say
from app.domain.demo import DEMO_USER_ID
from app.domain.errors import ConfigurationError
from app.infra.embedded import Addresses
from app.infra.telemetry import configure_logs
from app.services.demo import WorldSize, is_empty
from app.settings import Settings


def serve(
    demo: Annotated[bool, typer.Option("--demo", help="First load the demo world, if nobody is there yet.")] = False,
) -> None:
    """Serve GraphQL, REST and GraphiQL; with no DATABASE_URL and REDIS_URL, on embedded servers of its own."""
    signal.signal(signal.SIGTERM, leave)
    settings = Settings.load()
    configure_logs(level=settings.log_level, style=settings.log_style)
    refuse_taken_port(settings)
    with owned(settings) as addresses:
        try:
            if demo and settings.is_production:
                say("This is production: the demo world is not loaded.")
            uvloop.run(start(settings, addresses, demo=demo and not settings.is_production))
        except KeyboardInterrupt:
            sys.exit(130)
    say("Stopped.")


def leave(_signal: int, _frame: object) -> None:
    """Stop while still starting: the embedded servers end with the context that holds them."""
    sys.exit(143)


async def start(settings: Settings, addresses: Addresses, *, demo: bool) -> None:
    """Load the demo world where it is wanted and missing, then serve."""
    if demo:
        async with wiring.migrated_database(settings, addresses.database_url, say=say) as db:
            if await is_empty(db):
                say("Loading the demo world …")
                say(await demo_command.loaded(settings, db, WorldSize.scaled(), demo_command.DEFAULT_SEED))
    await wiring.serve(settings, addresses, say=say, ready=lambda token: announce(settings, token))


def refuse_taken_port(settings: Settings) -> None:
    """Say at once, before anything else is started, that the port is not to be had.

    Raises:
        ConfigurationError: another program listens there, or this user may not.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            message = (
                f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
                "Set FEEDGRAPH_PORT or FEEDGRAPH_HOST, or stop the program that listens there."
            )
            raise ConfigurationError(message) from error


def announce(settings: Settings, demo_token: str | None) -> None:
    """Tell what to open and how to be somebody."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104  # compared, not bound
    base = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    example = f"/users/{DEMO_USER_ID}/posts" if demo_token else ""
    rows = [("GraphQL", f"{base}/graphql"), ("REST", f"{base}/api/v1{example}"), ("Health", f"{base}/readyz")]
    if settings.grpc:
        rows.insert(2, ("gRPC", settings.grpc_address.replace(settings.host, host)))
    if settings.serves_graphiql:
        rows.insert(0, ("GraphiQL", f"{base}/graphql   (open it in a browser)"))
    if demo_token:
        rows.append(("Demo user", f"{DEMO_USER_ID}, with the header   Authorization: Bearer {demo_token}"))
    say(f"feedgraph is ready ({settings.env}). Stop it with Ctrl-C.")
    for name, value in rows:
        console.print(f"  {name:<10} {value}", markup=False)
