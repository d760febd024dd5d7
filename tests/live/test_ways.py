"""One log, every way of listening: the same events in the same order, to whoever changes the way, reads slowly or stays long."""

import asyncio
import gc
import json
import socket as sockets
from collections.abc import Iterator
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import Browser

from app import services
from app.domain.models import Post
from app.services.sightings import Sightings
from tests.clients import TestServer
from tests.conftest import free_port
from tests.faults.programs import Backend, backend, program
from tests.faults.traffic import Traffic
from tests.live.nodes import until
from tests.live.ways import EVENTS, GRAPHQL_WAYS, REST_WAYS, STREAM, Frame, Heard, Listening, first, frames, long_poll, sse

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


def created(events: list[Heard]) -> list[tuple[str, str, str]]:
    """Return the new posts among events."""
    return [event[:3] for event in events if event.type == "post.created"]


async def test_one_run_is_the_same_by_every_way_and_for_those_who_change_it(server: TestServer) -> None:
    ana, bob = await server.person(), await server.person()
    who, start = Listening(server.http, server.url), str(server.running.resources.tail.cursor)
    live = [asyncio.create_task(first(28, way(who, start), 30)) for way in REST_WAYS]
    live += [asyncio.create_task(first(16, way(who, start), 30)) for way in GRAPHQL_WAYS]
    for number in range(8):
        post = await ana.post(f"Post {number}")
        await bob.post("Yes", inReplyToId=post)
        if number % 2:
            await services.likes.add(await server.context(bob), int(post))
    told = await asyncio.gather(*live)
    assert told[0] == told[1] == told[2]  # bytes and all
    assert all(created(events) == created(told[0]) for events in told)
    assert len(created(told[0])) == 16

    seen: list[Heard] = []
    while len(seen) < 16:  # each way gives the next event
        for way in (*REST_WAYS, *GRAPHQL_WAYS):
            after = seen[-1].cursor if seen else start
            events = await first(3 if way in REST_WAYS else 1, way(who, after))  # counters of two may come first
            seen.append(next(event for event in events if event.type == "post.created"))
            if len(seen) == 16:
                break
    assert created(seen) == created(told[0])


async def test_all_who_stand_at_the_end_share_one_statement_for_an_event(server: TestServer, monkeypatch) -> None:
    ana = await server.person()
    who = Listening(server.http, server.url)
    waiting = [asyncio.create_task(first(3, sse(who, None))) for _ in range(50)]
    await until(lambda: server.running.resources.budgets._sockets.total == 50)
    reads: list[asyncio.Task[dict[int, Post | None]]] = []
    posts = Sightings.posts

    async def counted(self, db, head, ids):
        found = await posts(self, db, head, ids)
        reads.append(self._posts[next(iter(ids))])
        return found

    monkeypatch.setattr(Sightings, "posts", counted)
    ids = []
    for number in range(3):
        ids.append(await ana.post(str(number)))
        await until(lambda: len(reads) == 50 * len(ids))
    assert [[event.id for event in events] for events in await asyncio.gather(*waiting)] == [ids] * 50
    assert len(set(reads)) == 3


def queued() -> int:
    """Return the bytes that wait in this process for the readers of streams."""
    streams = [
        thing for thing in gc.get_objects() if isinstance(thing, web.StreamResponse) and not isinstance(thing, web.Response)
    ]
    transports = [stream._req.transport for stream in streams if stream._req is not None and stream._req.transport is not None]
    return sum(transport.get_write_buffer_size() for transport in transports)


async def test_a_stream_whose_client_does_not_read_costs_little_and_ends_and_is_resumed(start_server) -> None:
    server = await start_server(ws_stalled_s=1)
    ana = await server.person()
    db, start = server.running.resources.db, str(server.running.resources.tail.cursor)
    address, loop = urlsplit(server.url), asyncio.get_running_loop()
    slow = sockets.socket()
    slow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    slow.setblocking(False)
    await loop.sock_connect(slow, (address.hostname, address.port))
    lines = [f"GET {EVENTS}?topics=posts&after={start} HTTP/1.1", "Host: localhost", "Accept: text/event-stream", "", ""]
    await loop.sock_sendall(slow, "\r\n".join(lines).encode())
    insert = "insert into posts (author_id, content) select $1, repeat('🐌', 5000) from generate_series(1, 600) returning id"
    ids = [str(row["id"]) for row in await db.fetch(insert, int(ana.id))]
    rows = [("post.created", ["posts"], int(id_)) for id_ in ids]
    await db.copy_records("outbox", columns=("type", "topics", "subject_id"), records=rows)
    server.running.resources.relay.wake()  # twelve megabytes for somebody who does not look: more than the kernel keeps
    most = 0
    async with asyncio.timeout(30):
        while most < 200_000 or queued() > 0:  # it fills, and in the end the stream is given up
            most = max(most, queued())
            await asyncio.sleep(0.01)
    assert most < 600_000
    received = b""
    while piece := await loop.sock_recv(slow, 1 << 20):
        received += piece
    slow.close()
    seen = [line.split(b": ")[1].decode() for line in received.split(b"\n") if line.startswith(b"id: ")][1:-1]
    assert 0 < len(seen) < 600
    rest = await first(600 - len(seen), sse(Listening(server.http, server.url), seen[-1]), 30)
    assert [event.id for event in rest] == ids[len(seen) :]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Backend]:
    with backend("postgres") as server:
        yield server


@pytest.mark.slow
async def test_streams_outlive_the_database_and_are_sent_away_when_the_server_stops(postgres: Backend) -> None:
    async with program(DATABASE_URL=postgres.address, REDIS_URL="redis://127.0.0.1:1") as server:
        traffic = Traffic(await server.somebody())
        async with aiohttp.ClientSession() as http, http.get(**Listening(http, server.url).asked(None), headers=STREAM) as answer:
            stream = frames(answer)
            await anext(stream)
            postgres.stop()
            await server.becomes("/readyz", 503)
            postgres.start()
            await server.becomes("/readyz", 200)
            await traffic.write(server, "after the outage")
            async with asyncio.timeout(20):
                frame: Frame = await anext(stream)
                while not frame.fields:
                    frame = await anext(stream)
            assert json.loads(frame.fields["data"])["post"]["content"] == "after the outage"
            polling = asyncio.create_task(first(1, long_poll(Listening(server.http, server.url), frame.fields["id"])))
            await asyncio.sleep(0.3)
            server.process.terminate()
            last = [frame async for frame in stream][-1]
            assert 200 <= int(last.fields["retry"]) <= 3_000
            with pytest.raises((aiohttp.ClientError, AssertionError)):
                await polling  # it was answered at once, and asked again in vain
            status, said = await server.ended()
            assert (status, "Traceback" in said) == (0, False), said


PAGE = """
url => {
  window.heard = [];
  const source = new EventSource(url);
  source.addEventListener("post.created", event => heard.push([event.lastEventId, JSON.parse(event.data).post.postId]));
}
"""


@pytest.mark.browser
@pytest.mark.slow
async def test_a_browser_comes_back_by_itself_after_the_server_was_started_again(postgres: Backend, browser: Browser) -> None:
    port, given = free_port(), {"DATABASE_URL": postgres.address, "REDIS_URL": "redis://127.0.0.1:1"}
    page = await browser.new_page()
    async with program(port, **given) as server:
        traffic = Traffic(await server.somebody())
        await page.goto(server.url + "/healthz")
        await page.evaluate(PAGE, EVENTS + "?topics=posts")
        await page.wait_for_timeout(300)
        await traffic.write(server, f"one {port}")
        await page.wait_for_function("heard.length == 1")
    async with program(port, **given) as server:
        await traffic.write(server, f"two {port}")  # maybe before the browser is back
        await traffic.write(server, f"three {port}")
        await page.wait_for_function("heard.length == 3")
        heard = await page.evaluate("heard")
    assert [id_ for _, id_ in heard] == list(traffic.acknowledged.values())
    await page.close()
