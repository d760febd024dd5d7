"""Persisted queries over HTTP: registered by hash, trusted by id, and what each mode takes."""

import hashlib
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from app import wiring
from app.domain.errors import ConfigurationError
from app.infra.embedded import Addresses
from app.transports.graphql.persisted import hash_of
from tests.clients import Answer, TestServer
from tests.conftest import free_port, make_settings, quiet

QUERY = "query Me($id: ID!) { user(id: $id) { username } }"
TRUSTED = "query Trusted { __typename }"
OTHER = "query Other { latestPosts { edges { node { id } } } }"
RESPONSE_TYPE = "application/graphql-response+json"
NEVER_CACHED = "private, no-cache, must-revalidate"


def extension(text: str) -> dict[str, Any]:
    """The extension that names a text by its hash."""
    return {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(text.encode()).hexdigest()}}


async def ask(server: TestServer, *, accept: str = RESPONSE_TYPE, **request: Any) -> Answer:
    """POST a request with exactly these parameters."""
    async with server.http.post(f"{server.url}/graphql", json=request, headers={"Accept": accept}) as response:
        return Answer(response.status, response.headers, json.loads(await response.read()))


async def get(server: TestServer, *, accept: str = RESPONSE_TYPE, **request: Any) -> Answer:
    """GET with exactly these parameters."""
    parameters = {name: value if isinstance(value, str) else json.dumps(value) for name, value in request.items()}
    async with server.http.get(f"{server.url}/graphql", params=parameters, headers={"Accept": accept}) as response:
        assert response.content_type.endswith("json"), await response.text()
        return Answer(response.status, response.headers, json.loads(await response.read()))


def manifest(folder: Path, **own: str) -> Path:
    """Write a manifest with the trusted document and these."""
    file = folder / "manifest.json"
    file.write_text(json.dumps({f"sha256:{hash_of(TRUSTED)}": TRUSTED, **own}))
    return file


@pytest.fixture
async def trusted_only(start_server, tmp_path: Path) -> TestServer:
    """A server that executes nothing but its manifest."""
    own = {"x-team:mine": "query Mine { __typename }", "signOut": "mutation { signOut }"}
    return await start_server(persisted_mode="trusted-only", persisted_manifest=manifest(tmp_path, **own))


# Automatic persisted queries.


@pytest.mark.parametrize("accept", [RESPONSE_TYPE, "application/json"])
@pytest.mark.parametrize("send", [ask, get])
async def test_an_unknown_hash_is_a_200_that_no_cache_keeps(server: TestServer, send, accept: str):
    answer = await send(server, accept=accept, extensions=extension("{ nobody sent this }"))
    assert (answer.status, answer.codes) == (200, ["PERSISTED_QUERY_NOT_FOUND"])
    assert answer.body["errors"][0]["message"] == "PersistedQueryNotFound"
    assert "data" not in answer.body
    assert answer.headers["Cache-Control"] == NEVER_CACHED


@pytest.mark.parametrize("register", [ask, get])
@pytest.mark.parametrize("use", [ask, get])
async def test_a_text_that_came_with_its_hash_is_known_by_the_hash(server: TestServer, register, use):
    ann = await server.person()
    wanted = {"user": {"username": ann.username}}
    variables = {"id": ann.id}
    assert (await register(server, query=QUERY, variables=variables, extensions=extension(QUERY))).data == wanted
    assert (await use(server, variables=variables, extensions=extension(QUERY))).data == wanted


async def test_a_browser_that_asks_by_hash_gets_json_and_not_graphiql(server: TestServer):
    accept = "text/html,application/xhtml+xml,*/*;q=0.8"
    for parameters in ({"extensions": extension(QUERY)}, {"documentId": "unknown"}):
        assert (await get(server, accept=accept, **parameters)).codes[0].startswith("PERSISTED_QUERY_NOT_")


async def test_what_one_process_registered_every_process_knows(start_server):
    one = await start_server()
    other = await start_server(redis_prefix=one.running.resources.settings.redis_prefix)
    stranger = await start_server()
    (await ask(one, query=TRUSTED, extensions=extension(TRUSTED))).data  # noqa: B018
    assert (await ask(other, extensions=extension(TRUSTED))).data == {"__typename": "Query"}
    assert (await ask(stranger, extensions=extension(TRUSTED))).codes == ["PERSISTED_QUERY_NOT_FOUND"]


async def test_without_redis_a_process_knows_what_it_registered_itself(addresses: Addresses, db):
    settings = make_settings()
    nowhere = Addresses(addresses.database_url, f"redis://127.0.0.1:{free_port()}")
    async with wiring.running(settings, nowhere, say=quiet) as running, aiohttp.ClientSession() as http:
        server = TestServer(f"http://127.0.0.1:{settings.port}", running, http)
        assert (await ask(server, extensions=extension(TRUSTED))).codes == ["PERSISTED_QUERY_NOT_FOUND"]
        assert (await ask(server, query=TRUSTED, extensions=extension(TRUSTED))).data == {"__typename": "Query"}
        assert (await ask(server, extensions=extension(TRUSTED))).data == {"__typename": "Query"}


@pytest.mark.parametrize(
    "persisted",
    [
        {"version": 1, "sha256Hash": hash_of("something else")},
        {"version": 1, "sha256Hash": hash_of(TRUSTED).upper()},
        {"version": 1, "sha256Hash": hash_of(TRUSTED)[:-1]},
        {"version": 1, "sha256Hash": hash_of(TRUSTED) + "\n"},
        {"version": 1, "sha256Hash": None},
        {"version": 1, "sha256Hash": 12},
        {"version": 1},
        {"version": 2, "sha256Hash": hash_of(TRUSTED)},
        {"version": "1", "sha256Hash": hash_of(TRUSTED)},
        {"version": True, "sha256Hash": hash_of(TRUSTED)},
        {"sha256Hash": hash_of(TRUSTED)},
        {},
        [],
        "hash",
        0,
    ],
)
@pytest.mark.parametrize("accept", [RESPONSE_TYPE, "application/json"])
async def test_a_wrong_hash_version_or_form_is_400_and_registers_nothing(server: TestServer, persisted, accept: str):
    answer = await ask(server, accept=accept, query=TRUSTED, extensions={"persistedQuery": persisted})
    assert (answer.status, answer.codes) == (400, ["BAD_REQUEST"])
    assert (await ask(server, extensions=extension(TRUSTED))).codes == ["PERSISTED_QUERY_NOT_FOUND"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nonsense }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ " + "__typename " * 2_000 + "}", "TOKEN_LIMIT"),
        ("{ latestPosts { edges { node " + "{ inReplyTo " * 20 + "{ id }" + "}" * 20 + "} } }", "DEPTH_LIMIT"),
    ],
)
async def test_what_does_not_parse_validate_or_keep_the_limits_is_not_registered(server: TestServer, text: str, code: str):
    assert (await ask(server, query=text, extensions=extension(text))).codes[0] == code
    assert (await ask(server, extensions=extension(text))).codes == ["PERSISTED_QUERY_NOT_FOUND"]


async def test_a_server_with_narrower_limits_does_not_execute_what_another_registered(start_server):
    wide = await start_server()
    narrow = await start_server(max_depth=2, redis_prefix=wide.running.resources.settings.redis_prefix)
    (await ask(wide, query=OTHER, extensions=extension(OTHER))).data  # noqa: B018
    assert (await ask(narrow, extensions=extension(OTHER))).codes == ["DEPTH_LIMIT"]


async def test_introspection_that_was_registered_elsewhere_stays_off_where_it_is_off(start_server):
    text = "{ __schema { queryType { name } } }"
    shows = await start_server()
    hides = await start_server(introspection=False, redis_prefix=shows.running.resources.settings.redis_prefix)
    (await ask(shows, query=text, extensions=extension(text))).data  # noqa: B018
    assert set((await ask(hides, extensions=extension(text))).codes) == {"INTROSPECTION_DISABLED"}


async def test_a_text_put_under_a_foreign_hash_in_redis_is_not_executed(server: TestServer):
    redis, prefix = server.running.redis, server.running.resources.settings.redis_prefix
    (await ask(server, query=OTHER, extensions=extension(OTHER))).data  # noqa: B018
    await redis._client.hset(f"{prefix}persisted:texts", hash_of(TRUSTED), OTHER)
    await redis._client.zadd(f"{prefix}persisted:used", {hash_of(TRUSTED): 9e15})
    assert (await ask(server, extensions=extension(TRUSTED))).codes == ["PERSISTED_QUERY_NOT_FOUND"]


async def test_a_very_long_text_is_executed_and_not_kept(server: TestServer):
    text = TRUSTED + " " * 16 * 1024
    assert (await ask(server, query=text, extensions=extension(text))).data == {"__typename": "Query"}
    assert (await ask(server, extensions=extension(text))).codes == ["PERSISTED_QUERY_NOT_FOUND"]


async def test_a_registered_mutation_runs_by_post_and_is_405_by_get(server: TestServer):
    text = 'mutation { signUp(input: {username: "hashed", password: "correct horse", name: "H"}) { token } }'
    refused = await get(server, query=text, extensions=extension(text))
    assert (refused.status, refused.headers["Allow"]) == (405, "POST")
    refused = await get(server, extensions=extension(text))
    assert (refused.status, refused.headers["Allow"], refused.codes) == (405, "POST", ["METHOD_NOT_ALLOWED"])
    assert (await ask(server, extensions=extension(text))).data["signUp"]["token"]


async def test_the_operation_of_a_registered_document_is_chosen_by_its_name(server: TestServer):
    text = "query A { a: __typename } query B { b: __typename }"
    assert (await ask(server, query=text, operationName="A", extensions=extension(text))).data == {"a": "Query"}
    assert (await get(server, operationName="B", extensions=extension(text))).data == {"b": "Query"}
    assert (await ask(server, extensions=extension(text))).codes == ["OPERATION_RESOLUTION_FAILURE"]


@pytest.mark.parametrize("request_", [{}, {"query": None}, {"query": ""}, {"extensions": {}}, {"documentId": ""}])
async def test_a_request_that_names_no_document_is_400(server: TestServer, request_):
    answer = await ask(server, **request_)
    assert (answer.status, answer.codes) == (400, ["BAD_REQUEST"])


# Off.


@pytest.mark.parametrize(
    "request_",
    [
        {"extensions": extension(TRUSTED)},
        {"extensions": extension(TRUSTED), "query": TRUSTED},
        {"extensions": {"persistedQuery": {"version": 2}}},
        {"documentId": f"sha256:{hash_of(TRUSTED)}"},
    ],
)
async def test_switched_off_every_persisted_query_is_answered_with_not_supported(start_server, tmp_path: Path, request_):
    server = await start_server(persisted_mode="off", persisted_manifest=manifest(tmp_path))
    answer = await ask(server, **request_)
    assert (answer.status, answer.codes) == (200, ["PERSISTED_QUERY_NOT_SUPPORTED"])
    assert answer.body["errors"][0]["message"] == "PersistedQueryNotSupported"
    assert answer.headers["Cache-Control"] == NEVER_CACHED
    assert (await ask(server, query=TRUSTED)).data == {"__typename": "Query"}


# Trusted documents.


@pytest.mark.parametrize("send", [ask, get])
@pytest.mark.parametrize("mode", ["apq", "prefer-trusted", "trusted-only"])
async def test_a_trusted_document_is_executed_by_its_id(start_server, tmp_path: Path, mode: str, send):
    own = {"x-team:mine": "query Mine { mine: __typename }", "plain id": "query Plain { plain: __typename }"}
    server = await start_server(persisted_mode=mode, persisted_manifest=manifest(tmp_path, **own))
    assert (await send(server, documentId=f"sha256:{hash_of(TRUSTED)}")).data == {"__typename": "Query"}
    assert (await send(server, documentId="x-team:mine")).data == {"mine": "Query"}
    assert (await send(server, documentId="plain id")).data == {"plain": "Query"}


@pytest.mark.parametrize("id_", ["unknown", "sha256:" + "0" * 64, "sha256:", ":", "x-:", "ü", "a" * 2_000])
@pytest.mark.parametrize("send", [ask, get])
async def test_an_unknown_id_is_one_error_and_no_execution(trusted_only: TestServer, server: TestServer, send, id_: str):
    for asked in (trusted_only, server):
        answer = await send(asked, documentId=id_)
        assert (answer.status, answer.codes) == (400, ["PERSISTED_QUERY_NOT_IN_LIST"])
        assert "data" not in answer.body


async def test_a_registered_document_is_not_trusted_by_that(server: TestServer):
    (await ask(server, query=TRUSTED, extensions=extension(TRUSTED))).data  # noqa: B018
    assert (await ask(server, documentId=f"sha256:{hash_of(TRUSTED)}")).codes == ["PERSISTED_QUERY_NOT_IN_LIST"]


@pytest.mark.parametrize("text", [TRUSTED, OTHER])
async def test_an_id_with_a_body_beside_it_is_refused(trusted_only: TestServer, text: str):
    answer = await ask(trusted_only, documentId=f"sha256:{hash_of(TRUSTED)}", query=text)
    assert (answer.status, answer.codes) == (400, ["CANNOT_SEND_PQ_ID_AND_BODY"])


async def test_a_hash_beside_an_id_says_nothing_more(trusted_only: TestServer):
    for more in (extension(OTHER), {"persistedQuery": {"version": 1, "sha256Hash": "sha256:whatever"}}):
        answer = await ask(trusted_only, documentId=f"sha256:{hash_of(TRUSTED)}", extensions=more)
        assert answer.data == {"__typename": "Query"}


@pytest.mark.parametrize("id_", [1, True, [], {}])
async def test_an_id_that_is_no_string_is_400(server: TestServer, id_):
    answer = await ask(server, documentId=id_)
    assert (answer.status, answer.codes) == (400, ["BAD_REQUEST"])


async def test_trusted_mutations_by_get_are_405(trusted_only: TestServer):
    refused = await get(trusted_only, documentId="signOut")
    assert (refused.status, refused.headers["Allow"]) == (405, "POST")


async def test_trusted_only_refuses_every_other_text_and_hash(trusted_only: TestServer):
    for request in ({"query": OTHER}, {"extensions": extension(OTHER)}, {"query": OTHER, "extensions": extension(OTHER)}):
        answer = await ask(trusted_only, **request)
        assert (answer.status, answer.codes) == (403, ["QUERY_NOT_IN_SAFELIST"])
    assert (await ask(trusted_only, query=TRUSTED + " ")).codes == ["QUERY_NOT_IN_SAFELIST"]


async def test_trusted_only_takes_its_documents_by_text_and_by_hash_too(trusted_only: TestServer):
    mine = "query Mine { __typename }"
    for text in (TRUSTED, mine):  # the latter stands in the manifest under an id of its owner's
        for request in ({"query": text}, {"extensions": extension(text)}, {"query": text, "extensions": extension(text)}):
            assert (await ask(trusted_only, **request)).data == {"__typename": "Query"}
    mismatch = await ask(trusted_only, query=TRUSTED, extensions=extension(mine))
    assert (mismatch.status, mismatch.codes) == (400, ["BAD_REQUEST"])


async def test_trusted_only_asks_for_an_id_where_nothing_is_sent(trusted_only: TestServer):
    answer = await ask(trusted_only, variables={})
    assert (answer.status, answer.codes) == (400, ["PERSISTED_QUERY_ID_REQUIRED"])


async def test_prefer_trusted_takes_other_documents_and_writes_a_line_without_their_text(start_server, tmp_path: Path):
    server = await start_server(persisted_mode="prefer-trusted", persisted_manifest=manifest(tmp_path))
    with capture_logs() as lines:
        for request in ({"query": OTHER}, {"query": OTHER, "extensions": extension(OTHER)}, {"extensions": extension(OTHER)}):
            assert (await ask(server, **request)).data["latestPosts"] == {"edges": []}
        for request in ({"query": TRUSTED}, {"documentId": f"sha256:{hash_of(TRUSTED)}"}, {"extensions": extension(TRUSTED)}):
            assert (await ask(server, **request)).data == {"__typename": "Query"}
    written = [line for line in lines if line["event"] == "document_not_trusted"]
    assert [(line["sha256"], line["operations"]) for line in written] == [(hash_of(OTHER), ["Other"])] * 3
    assert "latestPosts" not in str(written)


# Starting.


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "must be a JSON object"),
        ('{"a": 1}', "must be a JSON object"),
        ('{"a": "{ nonsense }"}', "'a' cannot be executed: Cannot query field 'nonsense'"),
        ('{"a": "{"}', "'a' cannot be executed: Syntax Error"),
        (json.dumps({"sha256:" + "0" * 64: TRUSTED}), "has another hash"),
        (json.dumps({"md5:0": TRUSTED}), "is no id"),
        (json.dumps({"": TRUSTED}), "is no id"),
        (json.dumps({"a" * 257: TRUSTED}), "is no id"),
    ],
)
async def test_a_broken_manifest_stops_the_start_with_a_sentence(start_server, tmp_path: Path, content: str, problem: str):
    file = tmp_path / "broken.json"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=problem) as raised:
        await start_server(persisted_manifest=file)
    assert str(file) in raised.value.message


async def test_a_missing_manifest_stops_the_start(start_server, tmp_path: Path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        await start_server(persisted_manifest=tmp_path / "none.json")


@pytest.mark.parametrize("mode", ["prefer-trusted", "trusted-only"])
async def test_a_mode_that_trusts_needs_a_manifest(start_server, mode: str):
    with pytest.raises(ConfigurationError, match="FEEDGRAPH_PERSISTED_MANIFEST"):
        await start_server(persisted_mode=mode)
