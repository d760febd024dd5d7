"""What every HTTP exchange meets before it reaches a face."""

import asyncio

import pytest

from app import services
from app.domain.errors import Overloaded
from tests.clients import Socket

BEARER = b"Authorization: Bearer "


async def raw(server, *lines: bytes, body: bytes = b"") -> tuple[int, bytes]:
    """Send a request as bytes; return the status and the whole answer."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"\r\n".join([*lines, b"Host: x", b"Connection: close", b"Content-Length: %d" % len(body), b"", body]))
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return int(answer.split()[1]), answer


async def test_the_bare_address_leads_to_graphiql(server):
    async with server.http.get(server.url + "/", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/graphql")


async def test_the_bare_address_says_what_there_is_where_graphiql_is_off(start_server):
    server = await start_server(env="production")
    async with server.http.get(server.url + "/") as response:
        assert (await response.json())["graphql"] == "/graphql"


@pytest.mark.parametrize("path", [b"/graphql?query={__typename}", b"/api/v1/users/1"])
@pytest.mark.parametrize("token", [b"\xff", b"\xc3\xa9", b"", b"   ", b"a b"])
async def test_a_token_of_any_bytes_is_nobodys(server, path, token):
    status, answer = await raw(server, b"GET " + path + b" HTTP/1.1", BEARER + token)
    assert status == 401
    assert b'"UNAUTHENTICATED"' in answer


async def test_a_socket_with_a_token_of_any_bytes_is_closed_with_4403(server):
    socket = await Socket.open(server, headers={"Authorization": "Bearer é"})
    await socket.send({"type": "connection_init"})
    assert (await socket.closed())[0] == 4403


async def test_header_fields_that_are_large_together_are_refused(server):
    fields = [b"X-%d: " % number + b"a" * 3_000 for number in range(8)]
    status, answer = await raw(server, b"GET /healthz HTTP/1.1", *fields)
    assert status == 431
    assert b"HEAD_TOO_LARGE" in answer


async def test_a_long_address_and_a_long_field_are_told_apart(server):
    assert (await raw(server, b"GET /graphql?query=" + b"a" * 9_000 + b" HTTP/1.1"))[0] == 414
    assert (await raw(server, b"GET /healthz HTTP/1.1", b"X: " + b"a" * 20_000))[0] == 431


async def test_what_is_no_http_is_a_coded_error_that_repeats_nothing(server):
    status, answer = await raw(server, b"GET nonsense-sent-by-somebody")
    assert status == 400
    assert b'"BAD_REQUEST"' in answer
    assert b"nonsense" not in answer


async def test_variables_that_are_no_json_are_named(server):
    async with server.http.get(server.url + "/graphql?query={__typename}&variables=%7Bx") as response:
        assert "variables is not JSON" in await response.text()


async def test_a_document_nested_too_deeply_for_the_parser_is_too_deep(server):
    answer = await server.graphql("{a" * 900 + "}" * 900)
    assert answer.codes == ["DEPTH_LIMIT"]


async def test_the_demo_token_is_told_to_be_off_in_production(demo_world, start_server):
    server = await start_server(env="production")
    answer = await server.graphql("{ viewer { id } }", headers={"Authorization": "Bearer demo-token-for-user-123"})
    assert answer.status == 401
    assert "demo token is refused in production" in answer.body["errors"][0]["message"]


@pytest.mark.usefixtures("_costly_passwords")
async def test_more_sign_ins_than_can_wait_are_refused_and_the_others_answered(server, monkeypatch):
    monkeypatch.setattr(services.sessions, "LONGEST_QUEUE", 6)

    async def sign_in(number: int) -> str:
        try:
            await services.sessions.sign_in(await server.context(), username=f"nobody{number}", password="long enough")
        except Exception as error:
            return type(error).__name__
        return "signed in"

    outcomes = await asyncio.gather(*(sign_in(number) for number in range(12)))

    assert set(outcomes) == {"Unauthenticated", Overloaded.__name__}
    assert outcomes.count("Unauthenticated") >= services.sessions.LONGEST_QUEUE


async def test_readiness_names_migrations_that_are_another_versions(server):
    db = server.running.resources.db
    await db.execute("insert into schema_migrations (name, sha256) values ('9999_future.sql', 'x')")
    try:
        async with server.http.get(server.url + "/readyz") as response:
            state = await response.json()
    finally:
        await db.execute("delete from schema_migrations where name = '9999_future.sql'")
    assert (response.status, state["database"], state["migrations"]) == (503, "ok", "mismatch")


async def test_a_field_that_fails_does_not_take_others_that_wait_for_the_same_thing_with_it(server):
    ada = await server.person()
    post = await ada.post()
    query = """query($id: ID!) {
        a: post(id: $id) { author { name } replies(first: 1000) { id } }
        b: post(id: $id) { author { name } }
    }"""
    answer = await server.graphql(query, {"id": post})
    assert answer.codes == ["PAGE_SIZE"]
    assert answer.body["data"]["a"] is None
    assert answer.body["data"]["b"] == {"author": {"name": ada.username.title()}}
