"""The hub tells its listeners of every end: of users and sessions, of a database that goes away, of faults."""

import asyncio
from typing import Any

import pytest

from app import stores
from app.domain.errors import Unavailable
from app.domain.events import EventCursor, EventType, about_user
from app.infra import event_log
from app.transports.graphql.subscriptions import Subscription
from app.transports.realtime import groups, replay
from tests.clients import Person, TestServer
from tests.transports.realtime.hubs import (
    POSTS,
    data,
    hub_of,
    listening,
    quiet_until,
)

# Ends.


async def test_the_sockets_of_a_deleted_user_close(server: TestServer):
    ann, ben = await server.person(), await server.person()
    hers, his = await server.socket(ann.token), await server.socket(ben.token)
    await hers.subscribe(POSTS)
    await his.subscribe(POSTS)
    await event_log.append(server.running.resources.db, about_user(EventType.USER_DELETED, int(ann.id)))
    server.running.resources.relay.wake()
    assert (await hers.closed(timeout_s=2))[0] == 4403
    await quiet_until(his)


async def test_a_session_that_ended_before_its_socket_was_watched_is_noticed(server: TestServer):
    """Signing out may fall between looking a token up and watching its session."""
    ann = await server.person()
    ctx = await server.context(ann)
    socket = await server.socket(ann.token)
    await ann.graphql("mutation { signOut }")
    await socket.closed()
    ended: list[Any] = []

    class Late:
        def __init__(self) -> None:
            self.ctx = ctx

        def signed_out(self) -> None:
            ended.append(self)

    late = Late()
    hub = hub_of(server)
    await hub.watch(late, ctx)
    assert ended == [late]
    hub.unwatch(late, ctx)


async def rewritten(author: Person, count: int) -> list[str]:
    return [await author.post(str(number)) for number in range(count)]


async def test_listeners_who_come_and_go_under_writes_hear_everything_once(server: TestServer):
    """Some begin at the head, some behind it; each breaks off at random and comes back with its cursor."""
    authors = [await server.person() for _ in range(4)]
    start = (await server.graphql("{ eventCursor }")).data["eventCursor"]
    total = 120

    async def listen(stops: int) -> list[str]:
        heard: list[str] = []
        cursor = start
        while len(heard) < total:
            socket = await server.socket()
            await socket.subscribe(POSTS, after=cursor)
            for _ in range(min(stops, total - len(heard))):
                payload = (await socket.receive())["payload"]
                cursor = payload["extensions"]["cursor"]
                heard.append(payload["data"]["postAdded"]["id"])
            await socket.close()
        return heard

    listening = [asyncio.create_task(listen(stops)) for stops in (1, 3, 7, 20, 50, 500)]
    await asyncio.gather(*(rewritten(author, total // 4) for author in authors))
    first, *others = await asyncio.gather(*listening)
    assert len(set(first)) == total
    assert all(heard == first for heard in others)


# The database goes away.


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Posts cannot be read while the list has something in it."""
    lasts: list[bool] = []
    read = stores.posts.all_by_ids

    async def failing(db: Any, ids: Any) -> Any:
        if lasts:
            raise Unavailable
        return await read(db, ids)

    monkeypatch.setattr(stores.posts, "all_by_ids", failing)
    monkeypatch.setattr(groups, "PAUSE_S", 0.02)
    monkeypatch.setattr(replay, "PAUSE_S", 0.02)
    return lasts


async def test_an_event_that_cannot_be_read_is_told_when_it_can(server: TestServer, outage: list[bool]):
    ann = await server.person()
    live, late = await server.socket(), await server.socket()
    await live.subscribe(POSTS)
    await listening(server, 1)
    outage.append(True)
    ids = [await ann.post() for _ in range(2)]
    await late.subscribe(POSTS, after=late.ack["payload"]["cursor"])
    await listening(server, 2)
    await asyncio.sleep(0.1)
    outage.clear()
    for socket in (live, late):
        assert [(await data(socket))["id"] for _ in ids] == ids
        await quiet_until(socket)


async def test_listeners_are_sent_away_when_the_outage_lasts(
    server: TestServer, outage: list[bool], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(groups, "OUTAGE_S", 0.1)
    monkeypatch.setattr(replay, "OUTAGE_S", 0.1)
    ann = await server.person()
    live, late = await server.socket(), await server.socket()
    await live.subscribe(POSTS)
    await listening(server, 1)
    outage.append(True)
    id_ = await ann.post()
    await late.subscribe(POSTS, after=late.ack["payload"]["cursor"])
    assert [(await socket.closed())[0] for socket in (live, late)] == [1013, 1013]
    outage.clear()
    again = await server.socket()
    await again.subscribe(POSTS, after=late.ack["payload"]["cursor"])
    assert (await data(again))["id"] == id_


async def test_nobody_waits_in_silence_for_what_failed(server: TestServer, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: Any) -> Any:
        raise RuntimeError("not foreseen")

    ann = await server.person()
    live, late = await server.socket(), await server.socket()
    await live.subscribe(POSTS)
    await listening(server, 1)
    monkeypatch.setattr(Subscription, "shown", broken)
    await ann.post()
    await late.subscribe(POSTS, after=late.ack["payload"]["cursor"])
    assert [(await socket.closed())[0] for socket in (live, late)] == [1013, 1013]
    monkeypatch.undo()
    again = await server.socket()
    await again.subscribe(POSTS, after=late.ack["payload"]["cursor"])
    assert (await data(again))["author"] == {"name": ann.username.title()}


async def test_what_listening_comes_to_is_in_the_metrics(server: TestServer):
    ann = await server.person()
    head = (await server.graphql("{ eventCursor }")).data["eventCursor"]
    await ann.post()
    async with asyncio.timeout(10):  # else the first socket hears of it live
        await server.running.resources.tail.growth(EventCursor.parse(head))
    sockets = [await server.socket() for _ in range(3)]
    await sockets[0].subscribe(POSTS, after=head)
    await data(sockets[0])
    await sockets[1].subscribe(POSTS, after="1-1")  # another life of the log
    await sockets[1].receive()
    await sockets[2].subscribe(POSTS, author=ann.id)
    await listening(server, 3)
    async with server.http.get(f"{server.url}/metrics") as response:
        lines = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if line.startswith("feedgraph_"))
    names = ("subscriptions", "subscription_groups", "live_connections", "deliveries_total", "replays_total", "gaps_total")
    assert [float(lines[f"feedgraph_{name}"]) for name in names] == [3, 2, 3, 1, 2, 1]
