"""Events that happen faster than they are told go out together: one write a listener, nothing lost, doubled or paid wrongly."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.transports.realtime.hub import WORKING_GROUPS, Hub
from app.transports.realtime.news import Sendable
from app.transports.realtime.websocket import SocketListener
from tests.clients import Person, TestServer
from tests.live.nodes import until
from tests.transports.realtime.hubs import POSTS, data, hub_of, listening, quiet_until


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often something was sent to the operations of each id."""
    counted: Counter[str] = Counter()
    send = SocketListener.send

    def counting(self: SocketListener, news: Sendable) -> bool:
        counted[self.id] += 1
        return send(self, news)

    monkeypatch.setattr(SocketListener, "send", counting)
    return counted


@asynccontextmanager
async def held(hub: Hub) -> AsyncIterator[None]:
    """Let events pile up: no group may work."""
    for _ in range(WORKING_GROUPS):
        await hub.turns.acquire()
    yield
    for _ in range(WORKING_GROUPS):
        hub.turns.release()


async def posted(server: TestServer, author: Person, count: int) -> list[str]:
    """Write posts, and wait until the hub has handed them out."""
    hub = hub_of(server)
    end = hub.cursor.position + count
    ids = [await author.post() for _ in range(count)]
    await until(lambda: hub.cursor.position == end)
    return ids


async def test_events_that_wait_go_out_in_one_write(server: TestServer, writes: Counter[str]):
    ann = await server.person()
    early, late = await server.socket(), await server.socket()
    await early.subscribe(POSTS, "early")
    await listening(server, 1)
    async with held(hub_of(server)):
        first = await posted(server, ann, 3)
        await late.subscribe(POSTS, "late")  # stands behind them
        await listening(server, 2)
        then = await posted(server, ann, 4)
    assert [(await data(early))["id"] for _ in first + then] == first + then
    assert [(await data(late))["id"] for _ in then] == then
    for socket in (early, late):
        await quiet_until(socket)
    assert writes == {"early": 2, "late": 1}  # the first event was taken up alone, all others waited behind it
    assert hub_of(server).deliveries == 11


async def test_who_cannot_pay_for_all_that_waits_hears_it_bit_by_bit(start_server):
    server = await start_server(anonymous_points=5, anonymous_points_per_s=40)
    ann = await server.person()
    poor, rich = await server.socket(), await server.socket(ann.token)
    for socket in (poor, rich):
        await socket.subscribe(POSTS)
    await listening(server, 2)
    async with held(hub_of(server)):
        ids = await posted(server, ann, 6)  # two points each
    for socket in (rich, poor):
        assert [(await data(socket))["id"] for _ in ids] == ids
    await quiet_until(rich)
    assert hub_of(server).replays == 1
