"""What the tests of the benchmark stand on: the demo world behind a server, and a relay that sees the bytes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from app.bench.fetches import Plan, Report, measure
from app.domain.demo import DEMO_TOKEN, DEMO_USER_ID
from tests.clients import TestServer


def quiet(*_args):
    """Show no progress."""


def plan_for(url: str, **changes) -> Plan:
    """Return the plan for the demo person, with as few runs as there can be."""
    return Plan(**{"url": url, "user_id": str(DEMO_USER_ID), "token": DEMO_TOKEN, "runs": 1, "cpu_runs": 1, **changes})


@pytest.fixture
async def demo_server(demo_world, server: TestServer) -> TestServer:
    """A server that has the demo world."""
    return server


_reports: list[Report] = []


@pytest.fixture
async def report(demo_server: TestServer) -> Report:
    """The costs on the demo world; measured once, because the world is the same each time, to its last id."""
    if not _reports:
        _reports.append(await measure(plan_for(demo_server.url), quiet))
    return _reports[0]


@dataclass
class Relay:
    """Stands between a client and a server, and counts what passes."""

    url: str
    to_server_bytes: int = 0
    to_client_bytes: int = 0


@pytest.fixture
async def start_relay(demo_server: TestServer) -> AsyncIterator[Callable[..., Awaitable[Relay]]]:
    """A function that starts a relay to the server (or to another address); `change` may change what goes to the client."""
    async with AsyncExitStack() as stack:

        async def start(change: Callable[[bytes], bytes] = bytes, *, to: str | None = None) -> Relay:
            address = urlsplit(f"http://{to}" if to else demo_server.url)

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                from_server, to_server = await asyncio.open_connection(address.hostname, address.port)
                with suppress(ConnectionError):
                    await asyncio.gather(up(reader, to_server), down(from_server, writer))

            async def up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while received := await reader.read(1 << 16):
                    relay.to_server_bytes += len(received)
                    writer.write(received)
                writer.close()

            async def down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while received := await reader.read(1 << 16):
                    relay.to_client_bytes += len(received)
                    writer.write(change(received))
                writer.close()

            listener = await stack.enter_async_context(await asyncio.start_server(serve, "127.0.0.1", 0))
            relay = Relay(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
            return relay

        yield start
