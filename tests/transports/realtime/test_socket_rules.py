"""Sockets at /graphql: every way in, every close code, and what the operations on one socket do to each other."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.clients import Socket, TestServer

POSTS = "subscription($author: ID, $after: EventCursor) { postAdded(authorId: $author, after: $after) { id content } }"
INIT = {"type": "connection_init"}


async def code_after(server: TestServer, *messages: Any, acknowledged: bool = True) -> tuple[int | None, str]:
    """Return how the server closes a socket that says this; strings are sent as they are."""
    socket = await server.socket() if acknowledged else await Socket.open(server)
    for message in messages:
        await (socket.ws.send_str(message) if isinstance(message, str) else socket.send(message))
    return await socket.closed()


# Ways in.


@pytest.mark.parametrize("payload", [{}, {"payload": None}, {"payload": {}}, {"payload": {"anything": 1}}])
async def test_the_acknowledgement_carries_the_logs_position(server: TestServer, payload: dict[str, Any]):
    socket = await Socket.open(server)
    await socket.send(INIT | payload)
    ack = await socket.receive()
    assert ack == {"type": "connection_ack", "payload": {"cursor": str(server.running.resources.tail.cursor)}}


@pytest.mark.parametrize("protocols", [(), ("graphql-ws",), ("something",)])
async def test_other_subprotocols_are_closed_with_4406(server: TestServer, protocols: tuple[str, ...]):
    socket = await Socket.open(server, protocols=protocols)
    assert (await socket.closed())[0] == 4406


async def test_our_subprotocol_is_chosen_among_several(server: TestServer):
    socket = await Socket.open(server, protocols=("graphql-ws", "graphql-transport-ws"))
    assert socket.ws.protocol == "graphql-transport-ws"


async def test_without_init_the_socket_closes_with_4408(start_server):
    server = await start_server(ws_init_timeout_s=0.2)
    assert (await code_after(server, acknowledged=False))[0] == 4408
    assert (await code_after(server, {"type": "ping"}, acknowledged=False))[0] == 4408  # a ping is no init


async def test_a_socket_that_introduced_itself_in_time_stays(start_server):
    server = await start_server(ws_init_timeout_s=0.2)
    socket = await server.socket()
    with pytest.raises(TimeoutError):
        await socket.closed(timeout_s=0.6)


@pytest.mark.parametrize("token", ["wrong", "", 5, ["a"], {"a": 1}])
async def test_a_token_that_proves_nobody_closes_with_4403(server: TestServer, token: Any):
    value = f"Bearer {token}" if isinstance(token, str) else token
    code, reason = await code_after(server, INIT | {"payload": {"Authorization": value}}, acknowledged=False)
    assert code == 4403
    assert reason


async def test_the_header_of_the_upgrade_signs_in_as_well_as_the_payload(server: TestServer):
    ann = await server.person()
    by_header = await Socket.open(server, headers=ann.headers)
    await by_header.send(INIT)
    assert (await by_header.receive())["type"] == "connection_ack"
    for socket in (by_header, await server.socket(ann.token)):
        await socket.subscribe("{ viewer { id } }")
        assert (await socket.receive())["payload"] == {"data": {"viewer": {"id": ann.id}}}


async def test_a_wrong_header_of_the_upgrade_closes_with_4403(server: TestServer):
    socket = await Socket.open(server, headers={"Authorization": "Bearer wrong"})
    await socket.send(INIT)
    assert (await socket.closed())[0] == 4403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://[", ""])
async def test_foreign_pages_are_refused_before_the_upgrade(server: TestServer, origin: str):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await Socket.open(server, headers={"Origin": origin})
    assert refused.value.status == 403


async def test_our_own_pages_and_allowed_ones_may_open_sockets(start_server):
    server = await start_server(allowed_origins=["https://friend.example"])
    for origin in (server.url, "https://friend.example", "https://friend.example/"):
        await Socket.open(server, headers={"Origin": origin})


# Messages that end the socket.

SUBSCRIBE = {"type": "subscribe", "id": "1", "payload": {"query": POSTS}}
CLOSES: dict[str, tuple[list[Any], int]] = {
    "a second init": ([INIT], 4429),
    "an id in use": ([SUBSCRIBE, SUBSCRIBE], 4409),
    "no JSON": (["nonsense"], 4400),
    "brackets": (["[" * 60_000], 4400),
    "a list": (["[]"], 4400),
    "null": (["null"], 4400),
    "a string": (['"ping"'], 4400),
    "an unknown type": ([{"type": "start"}], 4400),
    "no id": ([{"type": "subscribe", "payload": {"query": "{ a }"}}], 4400),
    "an empty id": ([SUBSCRIBE | {"id": ""}], 4400),
    "a number as id": ([SUBSCRIBE | {"id": 1}], 4400),
    "an object as id": ([SUBSCRIBE | {"id": {}}], 4400),
    "a null payload": ([SUBSCRIBE | {"payload": None}], 4400),
    "text as payload": ([SUBSCRIBE | {"payload": "{ a }"}], 4400),
    "a number as query": ([SUBSCRIBE | {"payload": {"query": 5}}], 4400),
    "text as variables": ([SUBSCRIBE | {"payload": {"query": POSTS, "variables": "{}"}}], 4400),
    "a list as extensions": ([SUBSCRIBE | {"payload": {"query": POSTS, "extensions": []}}], 4400),
    "a number as operationName": ([SUBSCRIBE | {"payload": {"query": POSTS, "operationName": 1}}], 4400),
}


@pytest.mark.parametrize("case", CLOSES)
async def test_broken_rules_close_the_socket_with_their_code(server: TestServer, case: str):
    messages, code = CLOSES[case]
    assert (await code_after(server, *messages))[0] == code


async def test_operations_before_the_acknowledgement_close_with_4401(server: TestServer):
    assert (await code_after(server, SUBSCRIBE, acknowledged=False))[0] == 4401


async def test_a_long_id_in_any_script_leaves_a_readable_reason(server: TestServer):
    subscribe = SUBSCRIBE | {"id": "🧵" * 70}
    code, reason = await code_after(server, subscribe, subscribe)
    assert code == 4409
    assert reason.startswith("Subscriber for 🧵")


async def test_binary_messages_close_with_4400(server: TestServer):
    socket = await server.socket()
    await socket.ws.send_bytes(b'{"type":"ping"}')
    assert (await socket.closed())[0] == 4400


async def test_a_message_over_the_limit_closes_with_1009(server: TestServer):
    assert (await code_after(server, json.dumps({"type": "ping", "payload": {"a": "x" * 70_000}})))[0] == 1009


# Operations.


async def test_ping_is_answered_before_and_after_the_acknowledgement(server: TestServer):
    for socket in (await Socket.open(server), await server.socket()):
        await socket.send({"type": "ping", "payload": None})
        assert await socket.receive() == {"type": "pong"}
        await socket.send({"type": "pong"})  # asks for nothing


async def test_queries_and_mutations_run_over_a_socket(server: TestServer):
    ann = await server.person()
    socket = await server.socket(ann.token)
    await socket.subscribe('mutation { createPost(input: {content: "by socket"}) { post { content } } }', "m")
    assert await socket.receive() == {
        "type": "next", "id": "m", "payload": {"data": {"createPost": {"post": {"content": "by socket"}}}}
    }  # fmt: skip
    assert await socket.receive() == {"type": "complete", "id": "m"}
    await socket.subscribe("{ latestPosts { nodes { content } } }", "m")
    assert (await socket.receive())["payload"]["data"] == {"latestPosts": {"nodes": [{"content": "by socket"}]}}
    assert (await socket.receive())["type"] == "complete"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{}"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": ""}, "BAD_REQUEST"),
        ({"query": "subscription { nonsense }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": POSTS, "operationName": "other"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": POSTS, "variables": {"author": ["x", 1]}}, "BAD_USER_INPUT"),
        ({"query": POSTS, "variables": {"author": "abc"}}, "BAD_USER_INPUT"),
        ({"query": POSTS, "variables": {"after": "nonsense"}}, "CURSOR_INVALID"),
        ({"query": POSTS, "variables": {"after": "1" * 5_000}}, "CURSOR_INVALID"),
        ({"query": "{ a " + "b " * 3_000 + "}"}, "TOKEN_LIMIT"),
        ({"query": "subscription { postAdded " + "{ author { posts " * 7 + "{ id }" + " } }" * 7 + " }"}, "DEPTH_LIMIT"),
    ],
)
async def test_a_refused_operation_ends_only_its_own_id(server: TestServer, payload: dict[str, Any], code: str):
    ann = await server.person()
    socket = await server.socket()
    await socket.subscribe(POSTS, "stays")
    await socket.send({"type": "subscribe", "id": "bad", "payload": payload})
    refused = await socket.receive()
    assert (refused["type"], refused["id"], refused["payload"][0]["extensions"]["code"]) == ("error", "bad", code)
    post_id = await ann.post()
    heard = await socket.receive()
    assert (heard["type"], heard["id"], heard["payload"]["data"]["postAdded"]["id"]) == ("next", "stays", post_id)
    await socket.subscribe("{ __typename }", "bad")  # the id is free again
    assert (await socket.receive())["type"] == "next"


async def test_one_operation_too_many_is_an_error_for_its_id_alone(start_server):
    server = await start_server(ws_max_operations=3)
    ann = await server.person()
    socket = await server.socket()
    for index in range(4):
        await socket.subscribe(POSTS, str(index))
    refused = await socket.receive()
    assert (refused["type"], refused["id"]) == ("error", "3")
    assert refused["payload"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
    await ann.post()
    assert {(await socket.receive())["id"] for _ in range(3)} == {"0", "1", "2"}
    await socket.send({"type": "complete", "id": "0"})
    await socket.subscribe("{ __typename }", "3")
    assert (await socket.receive())["type"] == "next"


async def test_200_subscriptions_fit_on_one_socket(server: TestServer):
    ann = await server.person()
    socket = await server.socket()
    for index in range(200):
        await socket.subscribe(POSTS, str(index))
    await socket.send({"type": "ping"})
    assert (await socket.receive())["type"] == "pong"
    await ann.post()
    assert {(await socket.receive())["id"] for _ in range(200)} == {str(index) for index in range(200)}


async def test_complete_stops_a_stream_and_its_id_can_be_used_again(server: TestServer):
    ann, ben = await server.person(), await server.person()
    socket = await server.socket()
    await socket.subscribe(POSTS, "a", author=ann.id)
    await ann.post("heard")
    assert (await socket.receive())["payload"]["data"]["postAdded"]["content"] == "heard"
    await socket.send({"type": "complete", "id": "a"})
    await socket.subscribe(POSTS, "a", author=ben.id)
    await ann.post("not heard")
    await ben.post("heard again")
    message = await socket.receive()
    assert (message["id"], message["payload"]["data"]["postAdded"]["content"]) == ("a", "heard again")


async def test_each_next_carries_its_position_and_it_resumes_there(server: TestServer):
    ann = await server.person()
    socket = await server.socket()
    await socket.subscribe(POSTS)
    ids = [await ann.post(str(index)) for index in range(3)]
    messages = [await socket.receive() for _ in ids]
    cursors = [message["payload"]["extensions"]["cursor"] for message in messages]
    epoch = socket.ack["payload"]["cursor"].split("-")[0]
    assert cursors == [f"{epoch}-{position}" for position in range(1, 4)]
    again = await server.socket()
    await again.subscribe(POSTS, after=cursors[0])
    assert [(await again.receive())["payload"]["data"]["postAdded"]["id"] for _ in range(2)] == ids[1:]


async def test_the_server_notices_a_closed_socket_and_forgets_it(server: TestServer):
    ann = await server.person()
    for _ in range(3):
        socket = await server.socket()
        await socket.subscribe(POSTS)
        await socket.close()
    await ann.post()
    last = await server.socket()
    await last.subscribe("{ __typename }")
    assert (await last.receive())["payload"] == {"data": {"__typename": "Query"}}


async def test_many_sockets_end_at_once_without_harm(server: TestServer):
    sockets = await asyncio.gather(*(server.socket() for _ in range(20)))
    await asyncio.gather(*(socket.ws.send_str("nonsense") for socket in sockets))
    assert {code for code, _ in await asyncio.gather(*(socket.closed() for socket in sockets))} == {4400}
