"""Subscribers who leave and come back, over real sockets: nothing twice, nothing lost, and no silence about what is gone."""

import asyncio
import base64
import contextlib
import gc
import json
import os
import socket as sockets
import struct
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from app import services
from app.domain.events import EventCursor
from tests.clients import Person, Socket, TestServer
from tests.live.nodes import until

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

ADDED = "subscription($after: EventCursor) { postAdded(after: $after) { id content author { id } } }"
BY_AUTHOR = "subscription($authorId: ID, $after: EventCursor) { postAdded(authorId: $authorId, after: $after) { id } }"
NO_REDIS = "redis://127.0.0.1:1"


async def added(socket: Socket, number: int) -> list[tuple[str, str]]:
    """Return id and cursor of the next posts."""
    payloads = [(await socket.receive())["payload"] for _ in range(number)]
    return [(payload["data"]["postAdded"]["id"], payload["extensions"]["cursor"]) for payload in payloads]


async def nothing_more(socket: Socket, author: Person) -> None:
    """Check that nothing waits for this subscriber: the next it hears is what is written now."""
    id_ = await author.post("The last one")
    assert [got for got, _ in await added(socket, 1)] == [id_]


async def subscribed(server: TestServer, after: Any = None, *, token: str | None = None) -> Socket:
    socket = await server.socket(token)
    await socket.subscribe(ADDED, after=after)
    return socket


def cursor_of(server: TestServer) -> EventCursor:
    return server.running.resources.tail.cursor


async def test_reconnecting_with_the_last_cursor_gives_what_was_missed_exactly_once(server: TestServer) -> None:
    ana = await server.person()
    cursor = str(cursor_of(server))
    written: list[str] = []
    got: list[str] = []
    for round_ in range(4):
        socket = await subscribed(server, cursor)
        written += [await ana.post(f"Heard {round_} {number}") for number in range(3)]
        heard = await added(socket, len(written) - len(got))
        cursor = heard[-1][1]
        got += [id_ for id_, _ in heard]
        await socket.close()
        written += [await ana.post(f"Missed {round_} {number}") for number in range(2)]
    socket = await subscribed(server, cursor)
    got += [id_ for id_, _ in await added(socket, 2)]
    assert got == written
    await nothing_more(socket, ana)


async def test_each_position_resumes_right_behind_itself(server: TestServer) -> None:
    ana = await server.person()
    written = [await ana.post(str(number)) for number in range(5)]
    epoch = cursor_of(server).epoch
    await until(lambda: cursor_of(server).position == 5)
    for position in range(5):
        socket = await subscribed(server, f"{epoch}-{position}")
        assert [id_ for id_, _ in await added(socket, 5 - position)] == written[position:]
        await socket.close()


async def test_cursor_of_a_query_and_then_subscribing_leaves_no_hole(server: TestServer) -> None:
    ana = await server.person()
    writing = asyncio.create_task(write_until_told(ana, stop := asyncio.Event()))
    for _ in range(10):
        answer = (await server.graphql("{ eventCursor latestPosts(first: 100) { nodes { id } } }")).data
        seen = [node["id"] for node in answer["latestPosts"]["nodes"]]
        socket = await subscribed(server, answer["eventCursor"])
        seen += [id_ for id_, _ in await added(socket, 3)]
        await socket.close()
        newest = max(map(int, seen))
        known = (await server.graphql("{ latestPosts(first: 100) { nodes { id } } }")).data["latestPosts"]["nodes"]
        assert {node["id"] for node in known if int(node["id"]) <= newest} <= set(seen)
    stop.set()
    await writing


async def write_until_told(author: Person, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await author.post("In between")


async def test_acknowledgement_carries_the_cursor_to_begin_from(server: TestServer) -> None:
    ana = await server.person()
    socket = await server.socket()
    id_ = await ana.post()
    await socket.subscribe(ADDED, after=socket.ack["payload"]["cursor"])
    assert [got for got, _ in await added(socket, 1)] == [id_]


async def test_cursor_of_another_life_of_the_log_is_a_gap_and_the_stream_goes_on(server: TestServer) -> None:
    ana = await server.person()
    await ana.post()
    await until(lambda: cursor_of(server).position == 1)
    here = cursor_of(server)
    socket = await subscribed(server, f"{here.epoch - 1}-77")
    gap = (await socket.receive())["payload"]
    assert gap["data"] is None
    assert [error["extensions"] for error in gap["errors"]] == [{"code": "REPLAY_GAP"}]
    assert gap["extensions"] == {"cursor": str(here), "gap": {"from": f"{here.epoch - 1}-77", "to": str(here)}}
    await nothing_more(socket, ana)


async def test_cursor_older_than_the_log_is_a_gap_and_the_rest_follows(start_server, db) -> None:
    first = await start_server()
    ana = await first.person()
    written = [await ana.post(str(number)) for number in range(6)]
    await until(lambda: cursor_of(first).position == 6)
    await db.execute("delete from event_log where position <= 4")
    second = await start_server()  # without the memory of the first one
    epoch = cursor_of(second).epoch
    socket = await subscribed(second, f"{epoch}-1")
    gap = (await socket.receive())["payload"]
    assert gap["data"] is None
    assert gap["errors"][0]["extensions"]["code"] == "REPLAY_GAP"
    assert gap["extensions"] == {"cursor": f"{epoch}-4", "gap": {"from": f"{epoch}-1", "to": f"{epoch}-4"}}
    assert await added(socket, 2) == [(written[4], f"{epoch}-5"), (written[5], f"{epoch}-6")]
    await nothing_more(socket, ana)


@pytest.mark.parametrize("beyond", [1, 10**17])
async def test_cursor_of_the_future_is_an_error(server: TestServer, beyond: int) -> None:
    here = cursor_of(server)
    socket = await subscribed(server, f"{here.epoch}-{here.position + beyond}")
    refusal = await socket.receive()
    assert refusal["type"] == "error"
    assert refusal["payload"][0]["extensions"]["code"] == "CURSOR_INVALID"
    await socket.subscribe(ADDED)  # the id is free again, and the socket open
    await nothing_more(socket, await server.person())


@pytest.mark.parametrize("cursor", ["", "1", "1-", "-1", "1-01", "a-b", "1-1 ", "١-١", "1-99999999999999999999", "1" * 41])
async def test_cursor_of_another_form_is_an_error(server: TestServer, cursor: str) -> None:
    socket = await subscribed(server, cursor)
    refusal = await socket.receive()
    assert refusal["type"] == "error"
    assert refusal["payload"][0]["extensions"]["code"] in {"CURSOR_INVALID", "BAD_USER_INPUT"}


async def test_author_filter_holds_for_what_was_missed_and_what_comes(server: TestServer) -> None:
    ana, ben = await server.person(), await server.person()
    start = str(cursor_of(server))
    missed = [await author.post() for author in (ana, ben, ana)]
    socket = await server.socket()
    await socket.subscribe(BY_AUTHOR, authorId=ana.id, after=start)
    assert [id_ for id_, _ in await added(socket, 2)] == [missed[0], missed[2]]
    await ben.post()
    await nothing_more(socket, ana)


async def test_deleted_posts_are_left_out_of_what_is_caught_up(server: TestServer) -> None:
    ana = await server.person()
    start = str(cursor_of(server))
    first, gone, last = [await ana.post() for _ in range(3)]
    (await ana.graphql("mutation($id: ID!) { deletePost(id: $id) { id } }", id=gone)).data  # noqa: B018
    socket = await subscribed(server, start)
    assert [id_ for id_, _ in await added(socket, 2)] == [first, last]


async def test_hidden_post_reaches_its_author_alone(server: TestServer, db) -> None:
    ana, ben = await server.person(), await server.person()
    start = str(cursor_of(server))
    first, hidden, last = [await ana.post() for _ in range(3)]
    await services.posts.hide(db, int(hidden), hidden=True)
    for token, expected in ((None, [first, last]), (ben.token, [first, last]), (ana.token, [first, hidden, last])):
        socket = await subscribed(server, start, token=token)
        assert [id_ for id_, _ in await added(socket, len(expected))] == expected


@pytest.mark.parametrize("redis", [{}, {"redis_url": NO_REDIS}], ids=["with Redis", "without Redis"])
async def test_two_servers_give_the_same_events_in_the_same_order(start_server, redis) -> None:
    same = {"redis_prefix": f"test:{os.urandom(6).hex()}:", **redis}
    servers = [await start_server(**same), await start_server(**same)]
    people = [await server.person() for server in servers for _ in range(2)]
    readers = [await subscribed(server) for server in servers]

    async def write(author: Person) -> list[str]:
        return [await author.post(str(number)) for number in range(10)]

    written = await asyncio.gather(*map(write, people))
    heard = [await added(reader, 40) for reader in readers]
    assert heard[0] == heard[1]
    assert sorted(id_ for id_, _ in heard[0]) == sorted(id_ for ids in written for id_ in ids)
    cursor, rest = heard[0][9][1], heard[0][10:]
    hopping = await subscribed(servers[1], cursor)  # a client may go on at another server
    assert await added(hopping, 30) == rest


async def test_cursor_of_a_server_that_is_ahead_is_taken(start_server) -> None:
    """Without Redis the second server hears of events only when it looks; a client that comes over is not sent away."""
    ahead = await start_server(redis_url=NO_REDIS, relay_sweep_s=0.01)
    behind = await start_server(redis_url=NO_REDIS, relay_sweep_s=30)
    ana = await ahead.person()
    await ana.post()
    await until(lambda: cursor_of(ahead).position == 1)
    socket = await subscribed(behind, str(cursor_of(ahead)))
    id_ = await ana.post()
    await until(lambda: cursor_of(ahead).position == 2)
    await behind.running.resources.tail.catch_up()
    assert [got for got, _ in await added(socket, 1)] == [id_]


class Sluggard:
    """A subscriber that speaks through a bare socket with a tiny buffer and reads only when told to."""

    def __init__(self, server: TestServer) -> None:
        address = urlsplit(server.url)
        self.socket = sockets.socket()
        self.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        self.socket.setblocking(False)
        self.address = (address.hostname, address.port)
        self.left = b""

    async def open(self) -> None:
        """Connect and introduce oneself."""
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, self.address)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /graphql HTTP/1.1",
            "Host: localhost",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
        ]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Protocol: graphql-transport-ws", "", ""]
        await loop.sock_sendall(self.socket, "\r\n".join(lines).encode())
        while b"\r\n\r\n" not in self.left:
            self.left += await loop.sock_recv(self.socket, 4096)
        self.left = self.left.partition(b"\r\n\r\n")[2]
        await self.send({"type": "connection_init"})
        assert (await self.message())["type"] == "connection_ack"

    async def send(self, message: dict[str, Any]) -> None:
        """Send a masked text frame; the mask is zero."""
        body = json.dumps(message).encode()
        frame = struct.pack("!BBH", 0x81, 0x80 | 126, len(body)) + bytes(4) + body
        await asyncio.get_running_loop().sock_sendall(self.socket, frame)

    async def message(self) -> dict[str, Any]:
        """Return the next text frame."""
        while True:
            opcode, body = await self.frame()
            if opcode == 1:
                return dict(json.loads(body))

    async def frame(self) -> tuple[int, bytes]:
        """Return opcode and body of the next frame."""
        opcode, length = await self.read(2)
        if length == 126:
            [length] = struct.unpack("!H", await self.read(2))
        elif length == 127:
            [length] = struct.unpack("!Q", await self.read(8))
        return opcode & 0x0F, await self.read(length)

    async def read(self, number: int) -> bytes:
        """Return exactly so many bytes."""
        while len(self.left) < number:
            more = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 65536), 10)
            if not more:
                raise ConnectionError("the server closed the socket")
            self.left += more
        read, self.left = self.left[:number], self.left[number:]
        return read


def open_sockets() -> list[web.WebSocketResponse]:
    """Return the server's ends of sockets in this process."""
    return [thing for thing in gc.get_objects() if isinstance(thing, web.WebSocketResponse)]


def queued() -> int:
    """Return the bytes that wait in this process for the readers of sockets."""
    transports = [ws._req.transport for ws in open_sockets() if ws._req is not None and ws._req.transport is not None]
    return sum(transport.get_write_buffer_size() for transport in transports)


async def sluggard(server: TestServer) -> Sluggard:
    """Return a subscriber to whom every post is sent as 200 kB."""
    slow = Sluggard(server)
    await slow.open()
    again = " ".join(f"content{number}: content" for number in range(10))
    await slow.send({"type": "subscribe", "id": "1", "payload": {"query": f"subscription {{ postAdded {{ id {again} }} }}"}})
    return slow


async def test_subscriber_who_does_not_read_costs_little_memory_and_misses_nothing(start_server) -> None:
    server = await start_server(ws_stalled_s=60)
    ana = await server.person()
    slow = await sluggard(server)
    brisk = await subscribed(server)
    written, most = [], 0
    for _ in range(75):  # 15 megabytes for somebody who does not look: more than the kernel keeps
        written.append(await ana.post("🐌" * 5_000))
        await added(brisk, 1)
        most = max(most, queued())
    assert most < 1_000_000
    assert [(await slow.message())["payload"]["data"]["postAdded"]["id"] for _ in written] == written
    slow.socket.close()


async def left_unread(slow: Sluggard) -> tuple[list[tuple[str, str]], bytes]:
    """Return id and cursor of the posts that still arrive, and the body of the close frame, if one does."""
    got: list[tuple[str, str]] = []
    with contextlib.suppress(ConnectionError):  # what had left the server before still arrives; then it has closed
        while True:
            opcode, body = await slow.frame()
            if opcode == 8:
                return got, body
            if opcode == 1:
                payload = json.loads(body)["payload"]
                got.append((payload["data"]["postAdded"]["id"], payload["extensions"]["cursor"]))
    return got, b""


async def test_subscriber_who_never_reads_is_given_up_and_resumes_from_the_last_cursor(start_server) -> None:
    server = await start_server(ws_heartbeat_s=0.4)
    ana = await server.person()
    slow = await sluggard(server)
    written = [await ana.post("🐌" * 5_000) for _ in range(75)]
    await until(lambda: queued() == 0)
    got, _ = await left_unread(slow)
    assert 0 < len(got) < len(written)
    socket = await subscribed(server, got[-1][1])
    assert [id_ for id_, _ in got + await added(socket, len(written) - len(got))] == written
    slow.socket.close()


async def test_subscriber_who_takes_nothing_for_a_while_is_closed_with_its_cursor(start_server) -> None:
    server = await start_server(ws_stalled_s=1.5)
    ana = await server.person()
    slow = await sluggard(server)
    written = [await ana.post("🐌" * 5_000) for _ in range(60)]
    await until(lambda: not any(socket for socket in open_sockets() if not socket.closed))
    got, close = await left_unread(slow)
    assert 0 < len(got) < len(written)
    [code] = struct.unpack("!H", close[:2])
    cursor = close[2:].decode()
    assert (code, cursor) == (4410, got[-1][1])
    socket = await subscribed(server, cursor)
    assert [id_ for id_, _ in got + await added(socket, len(written) - len(got))] == written
    slow.socket.close()
