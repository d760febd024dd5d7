"""Clients that break off at random moments and come back by another way, at another server, while everything else breaks, too."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any

import aiohttp
import pytest

from app import services
from app.infra.event_log import journal, read_after
from app.services.posts import Draft
from tests.clients import Person, TestServer
from tests.faults.programs import Backend, backend
from tests.live.test_event_log import CUT, doing, restart
from tests.live.ways import GRAPHQL_WAYS, REST_WAYS, Heard, Listening

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

CLIENTS = 8
LONGEST_STAY_S = 0.15
END = "the end"
BROKEN = (aiohttp.ClientError, ConnectionError, TimeoutError)
Way = Callable[[Listening, str | None], AsyncIterator[Heard]]


class Client:
    """Somebody who keeps what they heard, and goes on behind it."""

    def __init__(self, servers: list[TestServer], start: str, chance: random.Random) -> None:
        self._servers = servers
        self._start = start
        self._chance = chance
        self.heard: list[Heard] = []
        self.used: set[str] = set()

    async def stay(self, timeout_s: float | None, until: str | None = None) -> None:
        """Listen for a while by some way at some server; with `until`, up to this post."""
        way: Way = self._chance.choice([*REST_WAYS, *GRAPHQL_WAYS])
        server = self._chance.choice(self._servers)
        self.used.add(way.__name__)
        after = self.heard[-1].cursor if self.heard else self._start
        with suppress(*BROKEN):
            async with asyncio.timeout(timeout_s):
                async with aclosing(way(Listening(server.http, server.url), after)) as events:  # type: ignore[type-var]
                    async for event in events:
                        assert event.type == "post.created"
                        self.heard.append(event)
                        if event.id == until:
                            return


async def write(server: TestServer, author: Person, written: list[str], enough: asyncio.Event) -> None:
    """Write posts until there are enough reconnects."""
    while not enough.is_set():
        post = await services.posts.create(await server.context(author), Draft(f"Post {len(written)}"))
        written.append(str(post.id))
        await asyncio.sleep(0.01)


async def cut_leaders(server: TestServer, chance: random.Random) -> None:
    """Cut the connection of whichever relay leads, for ever."""
    while True:
        await asyncio.sleep(chance.random() * 0.4)
        await server.running.resources.db.fetch(CUT, journal.LEADER_LOCK)


async def come_and_go(clients: list[Client], reconnects: int, chance: random.Random, enough: asyncio.Event) -> None:
    """Let the clients break off and come back, so many times together."""
    left = iter(range(reconnects))

    async def one(client: Client) -> None:
        for _ in left:
            await client.stay(chance.random() * LONGEST_STAY_S)

    await asyncio.gather(*map(one, clients))
    enough.set()


@pytest.fixture
def valkey() -> Any:
    """A Valkey that is killed and started."""
    with backend("valkey-server") as server:
        yield server


async def test_reconnects_by_every_way_lose_nothing_and_double_nothing(
    start_server, valkey: Backend, reconnects: int, capsys
) -> None:
    chance = random.Random(reconnects)
    same = {"redis_url": valkey.address, "redis_prefix": f"test:{secrets.token_hex(6)}:", "anonymous_points": 10**9}
    servers = [await start_server(**same), await start_server(**same)]
    author = await servers[0].person()
    start = str(servers[0].running.resources.tail.cursor)
    clients = [Client(servers, start, chance) for _ in range(CLIENTS)]
    written: list[str] = []
    enough = asyncio.Event()
    async with doing(restart(valkey, chance), cut_leaders(servers[0], chance)):
        writers = [asyncio.create_task(write(server, author, written, enough)) for server in servers]
        await come_and_go(clients, reconnects, chance, enough)
        await asyncio.gather(*writers)
    end = str((await services.posts.create(await servers[1].context(author), Draft(END))).id)
    for client in clients:
        while not client.heard or client.heard[-1].id != end:
            await client.stay(20, until=end)

    log = await read_after(servers[0].running.resources.db, 0, limit=10**6)
    expected = [(f"{start.partition('-')[0]}-{event.position}", str(event.subject_id)) for event in log]
    assert sorted(id_ for _, id_ in expected) == sorted([*written, end])
    for client in clients:
        assert [(event.cursor, event.id) for event in client.heard] == expected
    bytes_of: dict[str, set[bytes]] = {}
    for event in (event for client in clients for event in client.heard if event.raw):
        bytes_of.setdefault(event.id, set()).add(event.raw or b"")
    assert all(len(forms) == 1 for forms in bytes_of.values())
    assert set().union(*(client.used for client in clients)) == {way.__name__ for way in (*REST_WAYS, *GRAPHQL_WAYS)}
    with capsys.disabled():
        print(f"\n{reconnects} reconnects, {len(expected)} events, {CLIENTS} clients: none lost, none twice, one order.")
