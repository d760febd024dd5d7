"""Clients that others wrote: the audits of npm graphql-http, and npm graphql-ws through a server that dies and comes back."""

import asyncio
import json
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.clients import TestServer
from tests.conftest import free_port
from tests.faults.programs import Program, program, temporary_home
from tests.needed import missing

pytestmark = pytest.mark.node

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE_S = 40
SIGN_UP = 'mutation { signUp(input: {username: "writer", password: "correct horse", name: "W"}) { token } }'
CREATE = "mutation($content: String!) { createPost(input: {content: $content}) { post { id } } }"


@asynccontextmanager
async def script(node: str, name: str, *arguments: str) -> AsyncIterator[Process]:
    """Run one of our scripts; it ends with the context."""
    process = await asyncio.create_subprocess_exec(node, str(HERE / name), *arguments, cwd=HERE, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def output(node: str, name: str, *arguments: str) -> list[Any]:
    """Return what a script prints, a JSON value a line."""
    async with asyncio.timeout(PATIENCE_S), script(node, name, *arguments) as process:
        text, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in text.splitlines()]


async def next_event(process: Process, wanted: str) -> dict[str, Any]:
    """Return the next event of a kind that a script prints; others in between are passed over."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        async for line in process.stdout:
            event = json.loads(line)
            if event["event"] == wanted:
                return dict(event)
    raise AssertionError(f"the script ended without {wanted}")


async def test_every_audit_of_graphql_http_passes_without_error_or_warning(node: str, server: TestServer):
    [audits] = await output(node, "audit.mjs", f"{server.url}/graphql")
    assert len(audits) > 50
    assert {audit["name"]: audit["reason"] for audit in audits if audit["status"] != "ok"} == {}


async def test_graphql_ws_runs_a_query_to_its_end(node: str, server: TestServer):
    events = await output(node, "ask.mjs", server.ws_url, "{ __typename }")
    assert events == [{"event": "next", "result": {"data": {"__typename": "Query"}}}, {"event": "complete"}]


async def test_graphql_ws_gets_the_errors_of_a_refused_operation(node: str, server: TestServer):
    [event] = await output(node, "ask.mjs", server.ws_url, "{ nonsense }")
    assert event["event"] == "error"
    assert event["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_graphql_ws_subscribes_receives_and_completes(node: str, server: TestServer):
    ann = await server.person()
    async with script(node, "listen.mjs", server.ws_url, "2") as process:
        await next_event(process, "connected")
        for content in ("one", "two"):
            await ann.post(content)
        assert [(await next_event(process, "next"))["content"] for _ in range(2)] == ["one", "two"]
        await next_event(process, "complete")
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0


async def test_graphql_sse_runs_a_query_subscribes_and_gets_errors(node: str, server: TestServer):
    ann = await server.person()
    async with script(node, "sse.mjs", f"{server.url}/graphql", "2") as process:
        assert (await next_event(process, "query"))["ended"]
        for content in ("one", "two"):
            await ann.post(content)
        assert [(await next_event(process, "next"))["content"] for _ in range(2)] == ["one", "two"]
        assert (await next_event(process, "refused"))["code"] == "GRAPHQL_VALIDATION_FAILED"
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0


@pytest.fixture(scope="session")
def live_module(node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The front end's live client, compiled, where it finds the packages of these tests."""
    front = ROOT / "app/transports/web/front"
    compiler = front / "node_modules/typescript/bin/tsc"
    if not compiler.exists():
        missing("The front end's packages are not installed: run `make run`, or `npm ci` in app/transports/web/front.")
    folder = tmp_path_factory.mktemp("live")
    options = ["--outDir", str(folder), "--noEmit", "false", "--target", "es2022", "--module", "esnext"]
    more = ["--moduleResolution", "bundler", "--skipLibCheck", "--strict", "--verbatimModuleSyntax", "--ignoreConfig"]
    subprocess.run([node, str(compiler), "src/live.ts", *options, *more], cwd=front, check=True, timeout=PATIENCE_S)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(HERE / "node_modules")
    return folder / "live.js"


# A server that is killed and started again on the same data.


@asynccontextmanager
async def served(home: Path, port: int) -> AsyncIterator[Program]:
    """Run `feedgraph serve` until it is ready; kill -9 it at the end of the context."""
    async with program(port, FEEDGRAPH_DATA_DIR=str(home)) as server:
        yield server
        server.kill()


async def asked(port: int, query: str, variables: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    """Return the data of one operation."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{port}/graphql", json={"query": query, "variables": variables}, headers=headers) as response,
    ):
        body = await response.json()
    assert "errors" not in body, body
    return dict(body["data"])


@pytest.mark.slow
async def test_graphql_ws_resumes_exactly_where_it_was_when_the_server_was_killed(node: str):
    port, elsewhere = free_port(), free_port()
    with temporary_home() as home:
        async with script(node, "listen.mjs", f"ws://127.0.0.1:{port}/graphql", "5") as listener:
            async with served(home, port):
                token = (await asked(port, SIGN_UP, {}))["signUp"]["token"]
                await next_event(listener, "connected")
                await written(port, token, "a")
                heard = [await next_event(listener, "next")]
            await next_event(listener, "closed")
            async with served(home, elsewhere):  # where the listener does not look: it misses what is written now
                await written(elsewhere, token, "b", "c")
            async with served(home, port):
                heard += [await next_event(listener, "next") for _ in range(2)]
                await written(port, token, "d", "e")
                heard += [await next_event(listener, "next") for _ in range(2)]
                await next_event(listener, "complete")
    assert [event["content"] for event in heard] == ["a", "b", "c", "d", "e"]
    assert len({event["cursor"] for event in heard}) == 5
    assert not any(event["errors"] for event in heard)


FORMS = [
    ("subscription ($after: EventCursor) { postAdded(after: $after) { id } }", {"after": None}),
    (
        "subscription S($after: ID, $after_: EventCursor) { postAdded(authorId: $after, after: $after_) { id } }",
        {"after": "7", "after_": None},
    ),
    ("subscription ($after: EventCursor) { postAdded(after: $after) { id } }", {"after": "1-2"}),
    ("subscription ($from: EventCursor) { postAdded(after: $from) { id } }", {"from": "3-4"}),
    ("query A { __typename } subscription B($after: EventCursor) { postAdded(after: $after) { id } }", {"after": None}),
    (None, None),
    (None, None),
]


@pytest.mark.slow
async def test_our_own_client_keeps_its_position_when_the_server_stops_and_comes_back(node: str, live_module: Path):
    port, elsewhere = free_port(), free_port()
    with temporary_home() as home:
        async with served(home, port) as server:
            token = (await asked(port, SIGN_UP, {}))["signUp"]["token"]
            async with script(node, "live.mjs", str(live_module), f"ws://127.0.0.1:{port}/graphql", "3") as listener:
                forms = [await next_event(listener, "form") for _ in FORMS]
                await next_event(listener, "position")
                server.process.terminate()  # before it heard anything: it knows where it began
                assert (await next_event(listener, "closed"))["code"] == 1001
                await server.ended()
                async with served(home, elsewhere):  # where the listener does not look
                    await written(elsewhere, token, "a", "b")
                async with served(home, port):
                    heard = [await next_event(listener, "next") for _ in range(2)]
                    await written(port, token, "c")
                    heard += [await next_event(listener, "next")]
                    await next_event(listener, "complete")
    assert [event["content"] for event in heard] == ["a", "b", "c"]
    assert not any(event["errors"] for event in heard)
    assert [(form["query"], form["variables"]) for form in forms] == FORMS


async def written(port: int, token: str, *contents: str) -> None:
    """Write posts, one after the other."""
    for content in contents:
        await asked(port, CREATE, {"content": content}, token)
