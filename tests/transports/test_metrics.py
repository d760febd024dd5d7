"""What a server counts, read from its /metrics as Prometheus reads it."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from app.infra.embedded import Addresses
from app.wiring import running
from tests.clients import TestServer
from tests.conftest import free_port, make_settings, quiet

TOKEN = "a-token-for-prometheus"


async def samples(server: TestServer) -> dict[tuple[str, ...], float]:
    """Return the samples by name and values of labels, as /metrics has them now."""
    async with server.http.get(server.url + "/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = text_string_to_metric_families(await response.text())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


async def growth(server: TestServer, act) -> dict[tuple[str, ...], float]:
    """Return by how much samples grew while `act` ran."""
    before = await samples(server)
    await act()
    after = await samples(server)
    return {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}


async def test_documents_are_counted_as_hits_misses_and_evictions(start_server):
    server = await start_server(max_documents=2)

    async def ask():
        for name in ("a", "a", "b", "c", "a"):
            await server.graphql(f"{{ {name}: __typename }}")

    grown = await growth(server, ask)
    assert grown["feedgraph_document_lookups_total", "hit"] == 1
    assert grown["feedgraph_document_lookups_total", "miss"] == 4
    assert grown["feedgraph_document_evictions_total",] == 2


async def test_operations_are_counted_by_what_executed_them_and_why(server):
    person = await server.person()
    socket = await server.socket()

    async def ask():
        await person.graphql("query($id: ID!) { user(id: $id) { name } }", id=person.id)
        await person.graphql("{ __schema { queryType { name } } }")
        await person.graphql("{ viewer { posts(first: 1000) { id } } }")
        await socket.subscribe("{ viewer { id } }")
        assert (await socket.receive())["type"] == "next"

    grown = await growth(server, ask)
    operations = {key[1:]: count for key, count in grown.items() if key[0] == "feedgraph_operations_total"}
    assert operations == {("plan", ""): 2, ("completed", "an error in the answer"): 1, ("reference", "introspection"): 1}


async def test_statements_are_counted_whoever_sends_them(server):
    person = await server.person()

    async def ask():
        answer = await person.graphql("{ viewer { posts { id } } }")
        assert answer.status == 200

    db = server.running.resources.db
    before = db.statements
    await ask()
    assert db.statements - before >= 3  # the session, the viewer, the posts; the relay may have swept meanwhile
    assert (await samples(server))["feedgraph_sql_statements_total",] >= db.statements - 5


async def test_requests_are_timed_by_face_and_status_and_refusals_by_code(server):
    socket = await server.socket()

    async def ask():
        await server.graphql("{ __typename }")
        await server.graphql("{ nothing }")
        for path in ("/api/v1/users/999999", "/nowhere"):
            async with server.http.get(server.url + path) as response:
                assert response.status == 404
        await socket.subscribe("{ nothing }")
        assert (await socket.receive())["type"] == "error"
        await socket.close()

    grown = await growth(server, ask)
    name = "feedgraph_request_duration_seconds_count"
    assert grown[name, "graphql", "200"] == 1
    assert grown[name, "graphql", "400"] == 1
    assert grown[name, "rest", "404"] == 1
    assert grown[name, "other", "404"] == 1
    assert not {"101", "499"} & {key[2] for key in grown if key[0] == name}  # a socket's life is no latency
    assert grown["feedgraph_refusals_total", "GRAPHQL_VALIDATION_FAILED"] == 2
    assert grown["feedgraph_refusals_total", "NOT_FOUND"] == 2


async def test_two_servers_of_one_process_count_apart(start_server):
    one, other = await start_server(), await start_server()
    await one.graphql("{ __typename }")
    assert ("feedgraph_document_lookups_total", "miss") in await samples(one)
    assert ("feedgraph_document_lookups_total", "miss") not in await samples(other)


async def test_budgets_without_redis_show(addresses: Addresses, server):
    assert (await samples(server))["feedgraph_budgets_degraded",] == 0
    nowhere = Addresses(addresses.database_url, f"redis://127.0.0.1:{free_port()}")
    settings = make_settings()
    async with running(settings, nowhere, say=quiet) as alone:
        lonely = TestServer(f"http://127.0.0.1:{settings.port}", alone, server.http)
        assert (await lonely.graphql("{ __typename }")).status == 200
        assert (await samples(lonely))["feedgraph_budgets_degraded",] == 1


@pytest.mark.parametrize(
    ("_case", "changes", "sent", "status"),
    [
        ("open in development", {}, None, 200),
        ("switched off", {"metrics": False}, None, 404),
        ("off in production", {"env": "production"}, None, 404),
        ("switched on in production", {"env": "production", "metrics": True}, None, 200),
        ("no token", {"env": "production", "metrics_token": SecretStr(TOKEN)}, None, 401),
        ("another token", {"metrics_token": SecretStr(TOKEN)}, "Bearer something-else-entirely", 401),
        ("another scheme", {"metrics_token": SecretStr(TOKEN)}, "Basic " + TOKEN, 401),
        ("the token", {"env": "production", "metrics_token": SecretStr(TOKEN)}, "Bearer " + TOKEN, 200),
    ],
)
async def test_who_may_read_the_metrics(start_server, _case, changes, sent, status):
    server = await start_server(**changes)
    async with server.http.get(server.url + "/metrics", headers={"Authorization": sent} if sent else {}) as response:
        assert response.status == status
        assert TOKEN not in await response.text()


async def test_every_metric_is_documented(server):
    text = server.running.resources.metrics.text().decode()
    families = {family.name for family in text_string_to_metric_families(text) if not family.name.startswith("process_")}
    assert len(families) >= 7
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    assert [name for name in sorted(families) if f"`{name}" not in page] == []
