"""The limits of HTTP hold over sockets too: an operation that is refused is an `error` for its id, and the socket stays."""

import asyncio
from typing import Any

import pytest

from tests.clients import Socket, TestServer

POSTS = "subscription { postAdded { id author { id } } }"  # 2 points an event
SLOW = {"signed_in_points_per_s": 1, "anonymous_points_per_s": 1}


async def error_of(socket: Socket) -> dict[str, Any]:
    """Return the first error of an operation that must be refused."""
    message = await socket.receive()
    assert message["type"] == "error", message
    return message["payload"][0]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ latestPosts(first: 100) { nodes { replies(first: 100) { replies(first: 100) { id } } } } }", "NODE_LIMIT"),
        ("subscription { postAdded { replies(first: 100) { replies(first: 100) { replies(first: 9) { id } } } } }", "NODE_LIMIT"),
        ("{ " + "".join(f"a{i}: __typename " for i in range(31)) + "}", "ALIAS_LIMIT"),
    ],
)
async def test_what_asks_for_too_much_is_refused_and_the_socket_stays(server: TestServer, query: str, code: str):
    socket = await server.socket()
    await socket.subscribe(query)
    assert (await error_of(socket))["extensions"]["code"] == code
    await socket.subscribe("{ __typename }", "2")
    assert (await socket.receive())["payload"]["data"] == {"__typename": "Query"}


async def test_a_caller_without_points_is_told_when_to_come_back(start_server):
    server = await start_server(**SLOW, anonymous_points=120)
    socket = await server.socket()
    query = "{ latestPosts(first: 100) { pageInfo { hasNextPage } } }"
    await socket.subscribe(query)
    assert [(await socket.receive())["type"] for _ in range(2)] == ["next", "complete"]
    await socket.subscribe(query, "again")
    extensions = (await error_of(socket))["extensions"]
    assert extensions["code"] == "THROTTLED"
    assert 60 <= extensions["retryAfter"] <= 81
    assert extensions["cost"]["requestedQueryCost"] == 100
    assert (await server.graphql(query)).status == 429  # the same bucket


async def test_a_subscription_is_charged_at_its_start_and_for_each_event(start_server):
    server = await start_server(**SLOW)
    listener, author = await server.person(), await server.person()
    socket = await server.socket(init={"Authorization": f"Bearer {listener.token}", "Feedgraph-Cost": "1"})
    left = []
    await socket.subscribe(POSTS)
    for _ in range(3):
        await author.post()
        payload = (await socket.receive())["payload"]
        cost = payload["extensions"]["cost"]
        assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (2, 2)
        left.append(cost["throttleStatus"]["currentlyAvailable"])
    assert 100_000 - 8 <= left[-1] <= 100_000 - 5
    assert left[0] > left[-1]


async def test_a_subscription_that_outruns_its_budget_is_slowed_down_and_misses_nothing(start_server):
    server = await start_server(signed_in_points=5, signed_in_points_per_s=5, max_running=50)
    listener = await server.person()
    await server.running.resources.db.execute(
        "insert into sessions (user_id, token_hash, expires_at, unlimited)"
        " values ($1, sha256('rich'), now() + interval '1 day', true)",
        int(listener.id),
    )
    socket = await server.socket(listener.token)
    await socket.subscribe(POSTS)
    posted = []
    for index in range(6):
        answer = await server.graphql(
            f'mutation {{ createPost(input: {{content: "{index}"}}) {{ post {{ id }} }} }}',
            headers={"Authorization": "Bearer rich"},
        )
        posted.append(answer.data["createPost"]["post"]["id"])
    heard = [(await socket.receive())["payload"]["data"]["postAdded"]["id"] for _ in posted]
    assert heard == posted


async def test_open_subscriptions_are_not_operations_at_once(start_server):
    server = await start_server(max_running_per_caller=1, max_running=1)
    socket = await server.socket()
    for index in range(4):
        await socket.subscribe(POSTS, f"s{index}")
    await socket.subscribe("{ __typename }", "q")
    assert (await socket.receive())["payload"]["data"] == {"__typename": "Query"}


async def test_a_caller_may_open_so_many_sockets_and_then_new_ones_close_with_4413(start_server):
    server = await start_server(max_sockets_per_address=1, max_sockets_per_user=2)
    person = await server.person()
    first = await server.socket()
    signed_in = [await server.socket(person.token) for _ in range(2)]
    for init in ({}, {"Authorization": f"Bearer {person.token}"}):
        refused = await Socket.open(server)
        await refused.send({"type": "connection_init", "payload": init})
        assert (await refused.closed())[0] == 4413
    await first.close()
    assert (await opened_again(server)).ack["type"] == "connection_ack"
    assert not any(socket.ws.closed for socket in signed_in)


async def opened_again(server: TestServer) -> Socket:
    """Open a socket as soon as the server has seen that another one closed."""
    async with asyncio.timeout(5):
        while True:
            socket = await Socket.open(server)
            await socket.send({"type": "connection_init"})
            try:
                socket.ack = await socket.receive()
            except ConnectionError:
                continue
            return socket
