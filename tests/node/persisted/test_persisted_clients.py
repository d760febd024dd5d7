"""Persisted-query clients that others wrote: Apollo Client's link and urql's exchange, over POST, GET and sockets."""

import asyncio
import json
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest

from app.transports.graphql.manifest import id_of
from tests.clients import TestServer

pytestmark = pytest.mark.node

HERE = Path(__file__).parent
PATIENCE_S = 40
TRUSTED = "query Trusted {\n  __typename\n}"  # as the clients print it

HASH, BOTH, TEXT = ["hash"], ["text", "hash"], ["text"]


def sent(*requests: tuple[str, list[str]]) -> list[dict[str, Any]]:
    """What a client is expected to send: methods, and what names the document."""
    return [{"method": method, "by": by} for method, by in requests]


async def asked_twice(node: str, client: str, *arguments: str) -> list[dict[str, Any]]:
    """Run a client that asks the same twice; return what it sent and got, each time."""
    process = await asyncio.create_subprocess_exec(node, str(HERE / "ask.mjs"), client, *arguments, cwd=HERE, stdout=PIPE)
    try:
        async with asyncio.timeout(PATIENCE_S):
            text, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("client", "first", "second"),
    [
        ("apollo-post", sent(("POST", HASH), ("POST", BOTH)), sent(("POST", HASH))),
        ("apollo-get", sent(("GET", HASH), ("POST", BOTH)), sent(("GET", HASH))),
        ("apollo-ws", sent(("WS", BOTH)), sent(("WS", BOTH))),  # its socket link always sends the text too
        ("urql-post", sent(("POST", HASH), ("POST", BOTH)), sent(("POST", HASH))),
        ("urql-get", sent(("GET", HASH), ("GET", BOTH)), sent(("GET", HASH))),
    ],
)
async def test_a_client_registers_its_document_and_then_sends_only_the_hash(
    node_with_persisting_clients: str, server: TestServer, client: str, first, second
):
    ann = await server.person()
    asked = await asked_twice(node_with_persisting_clients, client, f"{server.url}/graphql", ann.id)
    assert asked == [{"sent": first, "answer": ann.username}, {"sent": second, "answer": ann.username}]


async def test_urql_subscribes_by_hash_over_a_socket(node_with_persisting_clients: str, server: TestServer):
    ann = await server.person()
    cursor = (await server.socket()).ack["payload"]["cursor"]
    await ann.post("Heard")
    asked = await asked_twice(node_with_persisting_clients, "urql-ws", f"{server.url}/graphql", ann.id, cursor)
    assert asked == [
        {"sent": sent(("WS", HASH), ("WS", BOTH)), "answer": "Heard"},
        {"sent": sent(("WS", HASH)), "answer": "Heard"},
    ]


@pytest.mark.parametrize(
    ("client", "first", "then"),
    [("apollo-post", "POST", "POST"), ("apollo-get", "GET", "POST"), ("urql-post", "POST", "POST"), ("urql-get", "GET", "GET")],
)
async def test_a_client_goes_on_with_texts_where_persisted_queries_are_off(
    node_with_persisting_clients: str, start_server, client: str, first: str, then: str
):
    server = await start_server(persisted_mode="off")
    ann = await server.person()
    asked = await asked_twice(node_with_persisting_clients, client, f"{server.url}/graphql", ann.id)
    attempts = [one["sent"] for one in asked]
    assert [one["answer"] for one in asked] == [ann.username] * 2
    assert attempts[0] == sent((first, HASH), (then, TEXT))


async def test_urql_asks_for_trusted_documents_by_id(node_with_persisting_clients: str, start_server, tmp_path: Path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({id_of(TRUSTED): TRUSTED}))
    server = await start_server(persisted_mode="trusted-only", persisted_manifest=manifest)
    asked = await asked_twice(node_with_persisting_clients, "urql-trusted", f"{server.url}/graphql")
    assert [(one["sent"][0]["by"], one["answer"]) for one in asked] == [(["hash", "id"], "Query")] * 2
