"""Persisted queries over a WebSocket: the same rules, refusals as `error` for the operation's id alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from app import services
from app.services.posts import Draft
from app.transports.graphql.persisted import hash_of
from tests.clients import Socket, TestServer

LISTEN = "subscription Listen($after: EventCursor) { postAdded(after: $after) { content } }"
TYPENAME = "query { __typename }"


def extension(text: str) -> dict[str, Any]:
    """The extension that names a text by its hash."""
    return {"persistedQuery": {"version": 1, "sha256Hash": hash_of(text)}}


async def start(socket: Socket, id_: str = "1", **payload: Any) -> None:
    """Subscribe with exactly this payload."""
    await socket.send({"type": "subscribe", "id": id_, "payload": payload})


async def ended_with(socket: Socket, id_: str = "1") -> str:
    """Return the code of the error that ends an operation."""
    message = await socket.receive()
    assert (message["type"], message["id"], len(message["payload"])) == ("error", id_, 1)
    return str(message["payload"][0]["extensions"]["code"])


async def test_a_subscription_is_registered_and_then_started_by_its_hash(server: TestServer):
    ann = await server.person()
    socket = await server.socket()
    variables = {"after": socket.ack["payload"]["cursor"]}
    await start(socket, extensions=extension(LISTEN), variables=variables)
    assert await ended_with(socket) == "PERSISTED_QUERY_NOT_FOUND"
    await ann.post("Hello")
    await start(socket, query=LISTEN, extensions=extension(LISTEN), variables=variables)  # the id is free again
    assert (await socket.receive())["payload"]["data"] == {"postAdded": {"content": "Hello"}}
    await start(socket, "2", query=None, extensions=extension(LISTEN), variables=variables)
    heard = await socket.receive()
    assert (heard["id"], heard["payload"]["data"]) == ("2", {"postAdded": {"content": "Hello"}})


async def test_what_was_registered_over_a_socket_is_known_over_http(server: TestServer):
    socket = await server.socket()
    await start(socket, query=TYPENAME, extensions=extension(TYPENAME))
    assert (await socket.receive())["type"] == "next"
    parameters = {"extensions": json.dumps(extension(TYPENAME))}
    async with server.http.get(f"{server.url}/graphql", params=parameters) as response:
        assert await response.json() == {"data": {"__typename": "Query"}}


async def test_a_wrong_hash_ends_the_operation_and_not_the_socket(server: TestServer):
    socket = await server.socket()
    await start(socket, query=TYPENAME, extensions=extension(LISTEN))
    assert await ended_with(socket) == "BAD_REQUEST"
    await start(socket, extensions={"persistedQuery": {"version": 3}})
    assert await ended_with(socket) == "BAD_REQUEST"
    await start(socket, extensions={})
    assert await ended_with(socket) == "BAD_REQUEST"


async def test_switched_off_the_operation_ends_with_not_supported(start_server):
    socket = await (await start_server(persisted_mode="off")).socket()
    await start(socket, extensions=extension(TYPENAME))
    assert await ended_with(socket) == "PERSISTED_QUERY_NOT_SUPPORTED"


async def test_trusted_only_holds_on_sockets(start_server, tmp_path: Path):
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps({"listen": LISTEN}))
    server = await start_server(persisted_mode="trusted-only", persisted_manifest=file)
    ann = await server.person()
    socket = await server.socket()
    await start(socket, documentId="unknown")
    assert await ended_with(socket) == "PERSISTED_QUERY_NOT_IN_LIST"
    await start(socket, documentId="listen", query=LISTEN)
    assert await ended_with(socket) == "CANNOT_SEND_PQ_ID_AND_BODY"
    await start(socket, query=TYPENAME)
    assert await ended_with(socket) == "QUERY_NOT_IN_SAFELIST"
    await start(socket, extensions=extension(TYPENAME))
    assert await ended_with(socket) == "QUERY_NOT_IN_SAFELIST"
    await services.posts.create(await server.context(ann), Draft(content="Hello"))  # GraphQL takes no such text here
    await start(socket, documentId="listen", variables={"after": socket.ack["payload"]["cursor"]})
    assert (await socket.receive())["payload"]["data"] == {"postAdded": {"content": "Hello"}}


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"query": None},
        {"query": 1, "extensions": {}},
        {"documentId": 1},
        {"documentId": ["a"]},
        {"query": TYPENAME, "documentId": {}},
        {"extensions": "persistedQuery"},
    ],
)
async def test_a_payload_of_wrong_types_closes_the_socket_with_4400(server: TestServer, payload):
    socket = await server.socket()
    await start(socket, **payload)
    assert (await socket.closed())[0] == 4400
