"""Sockets end with what they stand on: the session, wherever it is ended, and the server."""

import asyncio

import aiohttp
import pytest

from app import wiring
from app.transports.realtime.connections import CONNECTIONS
from tests.clients import Socket, TestServer
from tests.conftest import make_settings, quiet

POSTS = "subscription { postAdded { id } }"
SOON_S = 2.0
NO_REDIS = "redis://127.0.0.1:1"


async def test_signing_out_closes_the_sockets_of_that_session_alone(server: TestServer):
    ann, ben = await server.person(), await server.person()
    hers, his = await server.socket(ann.token), await server.socket(ben.token)
    await hers.subscribe(POSTS)
    assert (await ann.graphql("mutation { signOut }")).data == {"signOut": True}
    messages = []
    async with asyncio.timeout(SOON_S):
        while (message := await hers.ws.receive()).type is aiohttp.WSMsgType.TEXT:
            messages.append(message.json())
    assert hers.ws.close_code == 4403
    assert all(message["type"] in {"error", "complete"} for message in messages)
    await his.subscribe("{ viewer { id } }")
    assert (await his.receive())["payload"]["data"] == {"viewer": {"id": ben.id}}


async def test_signing_out_over_the_socket_closes_it_too(server: TestServer):
    ann = await server.person()
    socket = await server.socket(ann.token)
    await socket.subscribe("mutation { signOut }")
    assert (await socket.closed(SOON_S))[0] == 4403


async def test_signing_out_at_one_server_closes_sockets_at_another_without_redis(start_server):
    here, there = await start_server(redis_url=NO_REDIS), await start_server(redis_url=NO_REDIS)
    ann = await here.person()
    socket = await there.socket(ann.token)
    await ann.graphql("mutation { signOut }")
    assert (await socket.closed(SOON_S))[0] == 4403


async def test_servers_that_share_redis_tell_each_other_too(start_server):
    here, there = await start_server(redis_prefix="test:shared:"), await start_server(redis_prefix="test:shared:")
    ann = await there.person()
    socket = await here.socket(ann.token)
    ann.server = there
    await ann.graphql("mutation { signOut }")
    assert (await socket.closed(SOON_S))[0] == 4403


async def test_a_socket_closes_when_its_session_expires(server: TestServer):
    ann = await server.person()
    await server.running.resources.db.execute(
        "update sessions set expires_at = now() + interval '0.7 seconds' where user_id = $1", int(ann.id)
    )
    socket = await server.socket(ann.token)
    assert (await socket.closed())[0] == 4403


async def test_a_stopping_server_sends_its_clients_away_with_a_moment_to_come_back(addresses, db):
    settings = make_settings()
    async with aiohttp.ClientSession() as http:
        async with wiring.running(settings, addresses, say=quiet) as running:
            server = TestServer(f"http://127.0.0.1:{settings.port}", running, http)
            sockets = [await server.socket(), await Socket.open(server)]
            await sockets[0].subscribe(POSTS)
            ends = [asyncio.create_task(socket.closed()) for socket in sockets]
        for code, reason in await asyncio.gather(*ends):
            assert code == 1001
            assert 200 <= int(reason) <= 3_000


async def test_while_it_sends_clients_away_one_after_the_other_a_server_takes_no_new_ones(start_server):
    server = await start_server(drain_s=1)
    sockets = [await server.socket() for _ in range(40)]
    stream = await server.http.get(f"{server.url}/graphql", params={"query": POSTS}, headers={"Accept": "text/event-stream"})
    draining = asyncio.create_task(server.running.app[CONNECTIONS].drain())
    ends = [asyncio.create_task(socket.closed()) for socket in sockets]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    assert not all(end.done() for end in ends)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await Socket.open(server)
    assert refused.value.headers is not None
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "1")
    async with server.http.get(
        f"{server.url}/graphql", params={"query": POSTS}, headers={"Accept": "text/event-stream"}
    ) as another:
        assert another.status == 200  # an EventSource takes any other status as the end
        assert (await another.text()).startswith("retry: ")
    async with server.http.post(
        f"{server.url}/graphql", json={"query": POSTS}, headers={"Accept": "text/event-stream"}
    ) as another:
        assert another.status == 503
    await draining
    closed = await asyncio.gather(*ends)
    assert {code for code, _ in closed} == {1001}
    assert len({reason for _, reason in closed}) > 10  # each has a moment of its own to come back
    told = (await stream.text()).splitlines()
    assert [line.partition(":")[0] for line in told if line] == ["retry", "retry"]
    assert (await server.graphql("{ __typename }")).data == {"__typename": "Query"}  # questions are answered meanwhile


async def test_a_server_that_is_stopped_the_moment_it_started_stops(addresses, db):
    for tenths_ms in range(0, 80, 4):  # each time the stop meets the background tasks at another point of their beginning
        async with asyncio.timeout(10):
            async with wiring.running(make_settings(), addresses, say=quiet):
                await asyncio.sleep(tenths_ms / 10_000)


async def test_a_peer_that_answers_no_pings_is_given_up(start_server):
    server = await start_server(ws_heartbeat_s=0.2)
    deaf = await Socket.open(server, autoping=False)
    async with asyncio.timeout(10):
        kinds = [(await deaf.ws.receive()).type for _ in range(2)]
    assert kinds[0] is aiohttp.WSMsgType.PING
    assert kinds[1] in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
