"""Limits over HTTP: a document's shape, nodes, cost, budgets, and what a caller is told of them."""

import asyncio
import random
from datetime import datetime
from typing import Any

import pytest
from graphql import is_leaf_type, is_list_type
from graphql.type import get_named_type, get_nullable_type

from app.transports.graphql.costs import PRICES
from app.transports.graphql.schema import core_schema
from tests.clients import TestServer
from tests.transports.graphql.random_operations import random_operation

COST = {"Feedgraph-Cost": "1"}
DRY_RUN = {"Feedgraph-Dry-Run": "1"}
OLD = {"Accept": "application/json"}
DEAR = "{ latestPosts(first: 100) { nodes { author { id } } } }"  # 200 points


def test_every_list_in_the_schema_says_how_long_it_may_be():
    """Without @listSize the longest length would count, and without this test nobody would notice."""
    types = [type_ for name, type_ in core_schema().type_map.items() if hasattr(type_, "fields") and not name.startswith("__")]
    checked = 0
    for type_ in types:
        sized_by_parent = {"edges", "nodes"} if type_.name.endswith("Connection") else set()
        for name, field in type_.fields.items():
            named = get_named_type(field.type)
            is_list = is_list_type(get_nullable_type(field.type)) and not is_leaf_type(named)
            if not hasattr(field, "resolve") or not (is_list or named.name.endswith("Connection")):
                continue
            checked += 1
            if name not in sized_by_parent:
                size = PRICES.size_of_field(field)
                assert size is not None, f"{type_.name}.{name}"
                assert set(size.arguments) <= set(field.args), f"{type_.name}.{name}"
                assert set(size.fields) <= set(getattr(named, "fields", {})), f"{type_.name}.{name}"
    assert checked >= 16


def test_every_mutation_costs_10():
    mutations: Any = core_schema().mutation_type
    assert {PRICES.weight_of_field(field) for field in mutations.fields.values()} == {10.0}


SHAPES = {
    "30 aliases": (
        "{ "
        + "".join(f"a{i}: viewer {{ id }} " for i in range(15))
        + "viewer { "
        + "".join(f"b{i}: id " for i in range(15))
        + "} }",
        None,
    ),
    "31 aliases": ("{ viewer { " + "".join(f"a{i}: id " for i in range(31)) + "} }", "ALIAS_LIMIT"),
    "aliases in fragments": (
        "{ a: viewer { ...f } b: viewer { ...f } c: viewer { ...f } } fragment f on User { "
        + "".join(f"a{i}: id " for i in range(10))
        + "}",
        "ALIAS_LIMIT",
    ),
    "20 root fields": ("{ " + "__typename " * 20 + "}", None),
    "21 root fields": ("{ " + "__typename " * 21 + "}", "ROOT_FIELD_LIMIT"),
    "root fields in fragments": ("{ ...f ...f ...f } fragment f on Query { " + "__typename " * 7 + "}", "ROOT_FIELD_LIMIT"),
    "50 directives": ("query @skip(if: false) { viewer { " + "id @skip(if: false) " * 49 + "} }", "GRAPHQL_VALIDATION_FAILED"),
    "51 directives": ("{ viewer { " + "id @skip(if: false) " * 51 + "} }", "DIRECTIVE_LIMIT"),
    "10,000 aliases": ("{ " + "".join(f"a{i}:__typename " for i in range(10_000)) + "}", "TOKEN_LIMIT"),
    "24 doubling levels over a field": (
        "{ viewer { ...f0 } } "
        + "".join(f"fragment f{i} on User {{ ...f{i + 1} ...f{i + 1} }} " for i in range(24))
        + "fragment f24 on User { id }",
        "MAX_RECURSIVE_SELECTIONS_EXCEEDED",
    ),
    "many paths without an alias or a row": (  # compiling a plan for each of them would take seconds
        '{ post(id: "1") { ...f9 } } '
        + "".join(
            f"fragment f{i} on Post {{ id inReplyTo {{ ...f{i - 1} }} replies(first: 0) {{ ...f{i - 1} }} }} "
            for i in range(1, 10)
        )
        + "fragment f0 on Post { id inReplyTo { id } }",
        "MAX_RECURSIVE_SELECTIONS_EXCEEDED",
    ),
    "alias bomb": (
        "{ viewer { ...f0 } } "
        + "".join(f"fragment f{i} on User {{ ...f{i + 1} ...f{i + 1} }} " for i in range(60))
        + "fragment f60 on User { a: id }",
        "ALIAS_LIMIT",
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_shape_of_a_document_is_bounded(server: TestServer, shape: str):
    query, code = SHAPES[shape]
    answer = await server.graphql(query)
    assert (answer.status, answer.codes) == ((400, [code]) if code else (200, []))


@pytest.mark.parametrize(
    ("setting", "code"),
    [("max_aliases", "ALIAS_LIMIT"), ("max_directives", "DIRECTIVE_LIMIT"), ("max_root_fields", "ROOT_FIELD_LIMIT")],
)
async def test_limits_on_the_shape_are_settings(start_server, setting: str, code: str):
    server = await start_server(**{setting: 1})
    query = "{ a: __typename @skip(if: false) b: __typename @skip(if: false) }"
    assert (await server.graphql(query)).codes == [code]


TOO_LARGE = {
    "100 x 100 x 100 pages": (
        '{ user(id: "1") { posts(first: 100) { replies(first: 100) { replies(first: 100) { id } } } } }',
        {},
        "NODE_LIMIT",
    ),
    "by variables": (
        "query($n: Int!) { latestPosts(first: $n) { nodes { likers(first: $n) { nodes {"
        " followers(first: $n) { nodes { id } } } } } } }",
        {"n": 100},
        "NODE_LIMIT",
    ),
    "by default sizes": (
        "{ latestPosts { nodes { likers { nodes { followers { nodes { following { nodes { id } } } } } } } } }",
        {},
        "NODE_LIMIT",
    ),
    "many dear fields": (
        "{ "
        + "".join(f"a{i}: latestPosts(first: 100) {{ nodes {{ replies(first: 10) {{ author {{ id }} }} }} }} " for i in range(9))
        + "}",
        {},
        "COST_ESTIMATED_TOO_EXPENSIVE",
    ),
    "24 doubling levels": (
        '{ user(id: "1") { ...f0 } } '
        + "".join(f"fragment f{i} on User {{ ...f{i + 1} ...f{i + 1} }} " for i in range(24))
        + "fragment f24 on User { posts(first: 100) { replies(first: 100) { replies(first: 100) { id } } } }",
        {},
        "MAX_RECURSIVE_SELECTIONS_EXCEEDED",
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_what_asks_for_too_much_is_refused_before_it_runs(server: TestServer, name: str):
    query, variables, code = TOO_LARGE[name]
    answer = await server.graphql(query, variables, headers={"Feedgraph-Counts": "1"})
    assert (answer.status, answer.codes, "data" in answer.body) == (400, [code], False)
    assert answer.body["extensions"]["counts"]["statements"] == 0
    assert (await server.graphql(query, variables, headers=OLD)).status == 200


async def test_oversized_pages_keep_their_own_error(server: TestServer):
    await server.person()
    for size in (101, 2_147_483_647, -1):
        assert (await server.graphql(f"{{ latestPosts(first: {size}) {{ nodes {{ id }} }} }}")).codes == ["PAGE_SIZE"]


async def test_the_cost_is_shown_on_demand(server: TestServer):
    person = await server.person()
    for _ in range(3):
        await person.post()
    query = f'{{ user(id: "{person.id}") {{ posts(first: 50) {{ author {{ id }} }} }} }}'
    assert "extensions" not in (await server.graphql(query)).body
    cost = (await server.graphql(query, headers=COST)).body["extensions"]["cost"]
    left = cost.pop("throttleStatus").pop("currentlyAvailable")
    assert cost == {"requestedQueryCost": 101, "actualQueryCost": 7, "nodeCount": 50, "depth": 4}
    assert 20_000 - 101 <= left <= 20_000


async def test_a_caller_is_told_what_is_left(start_server):
    server = await start_server(anonymous_points_per_s=1)
    headers = (await server.graphql(DEAR)).headers
    assert headers["RateLimit-Policy"] == '"anonymous";q=20000;w=20000;qu="points"'
    assert headers["RateLimit"] == '"anonymous";r=19999;t=1'  # an empty world: all but one point came back
    assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("20000", "19999")
    assert abs(int(headers["X-RateLimit-Reset"]) - datetime.now().timestamp()) < 60  # noqa: DTZ005  # a number of seconds


async def test_what_was_not_needed_comes_back_but_not_after_errors(start_server):
    server = await start_server(anonymous_points_per_s=1)
    await server.graphql(DEAR)
    failing = "{ latestPosts(first: 100) { nodes { author { id } } } b: latestPosts(first: -1) { nodes { id } } }"
    answer = await server.graphql(failing, headers=COST)
    assert answer.codes == ["PAGE_SIZE"]
    assert answer.body["extensions"]["cost"]["actualQueryCost"] == answer.body["extensions"]["cost"]["requestedQueryCost"]


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_a_caller_without_points_is_throttled_with_429(start_server, accept: str):
    server = await start_server(anonymous_points=250, anonymous_points_per_s=1)
    query = "{ latestPosts(first: 100) { pageInfo { hasNextPage } } }"  # pays its size, for the rows are read
    assert (await server.graphql(query)).status == 200
    assert (await server.graphql(query)).status == 200
    answer = await server.graphql(query, headers={"Accept": accept})
    assert (answer.status, answer.codes, "data" in answer.body) == (429, ["THROTTLED"], False)
    assert 30 <= int(answer.headers["Retry-After"]) <= 51
    assert answer.body["errors"][0]["extensions"]["retryAfter"] == int(answer.headers["Retry-After"])
    cost = answer.body["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (100, 0)
    assert 50 <= cost["throttleStatus"]["currentlyAvailable"] <= 70
    assert answer.headers["X-RateLimit-Remaining"] == str(cost["throttleStatus"]["currentlyAvailable"])
    assert (await server.graphql("{ __typename }")).status == 200  # what it can still pay for is answered


async def test_signed_in_callers_have_their_own_larger_budget(start_server):
    server = await start_server(anonymous_points=1, anonymous_points_per_s=1)
    person = await server.person()
    assert (await server.graphql("{ __typename }")).status == 200
    assert (await server.graphql("{ __typename }")).status == 429
    answer = await person.graphql("{ rateLimit { limit remaining cost resetAt } }")
    assert answer.data["rateLimit"]["limit"] == 100_000
    assert answer.data["rateLimit"]["cost"] == 1


async def test_unlimited_tokens_are_counted_and_never_throttled(start_server):
    server = await start_server(signed_in_points=300, signed_in_points_per_s=1, max_new_documents_per_minute=2)
    person = await server.person()
    await server.running.resources.db.execute("update sessions set unlimited = true")
    for index in range(8):
        query = f"{{ a{index}: latestPosts(first: 100) {{ pageInfo {{ hasNextPage }} }} rateLimit {{ remaining }} }}"
        answer = await person.graphql(query)
        assert answer.status == 200
    assert answer.data["rateLimit"]["remaining"] == 0
    assert answer.headers["RateLimit-Policy"].startswith('"unlimited";q=300;')


async def test_the_rate_limit_field_tells_the_budget(start_server):
    server = await start_server(anonymous_points=1_000, anonymous_points_per_s=1)
    query = "{ rateLimit { limit remaining cost resetAt } latestPosts(first: 50) { nodes { id } } }"
    shown = (await server.graphql(query)).data["rateLimit"]
    assert (shown["limit"], shown["cost"]) == (1_000, 50)
    assert 950 <= shown["remaining"] <= 955
    assert 40 <= datetime.fromisoformat(shown["resetAt"]).timestamp() - datetime.now().timestamp() <= 55  # noqa: DTZ005  # same


async def test_a_dry_run_explains_the_cost_and_runs_nothing(start_server):
    server = await start_server(signed_in_points=1_000, signed_in_points_per_s=1)
    person = await server.person()
    mutation = 'mutation { createPost(input: {content: "x"}) { post { id replies(first: 5) { id } } } }'
    answer = await server.graphql(mutation, headers=DRY_RUN | person.headers)
    assert (answer.status, answer.body["data"]) == (200, None)
    cost = answer.body["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"], cost["nodeCount"], cost["refusal"]) == (16, None, 5, None)
    assert cost["explanation"] == [
        {"path": "createPost", "weight": 10, "multiplier": 1, "from": "once"},
        {"path": "createPost.post", "weight": 1, "multiplier": 1, "from": "once"},
        {"path": "createPost.post.replies", "weight": 1, "multiplier": 5, "from": "createPost.post.replies (first: 5)"},
    ]
    assert cost["throttleStatus"]["currentlyAvailable"] >= 999
    assert await server.running.resources.db.fetchval("select count(*) from posts") == 0


async def test_a_dry_run_says_what_would_be_refused(server: TestServer):
    query, variables, code = TOO_LARGE["by variables"]
    cost = (await server.graphql(query, variables, headers=DRY_RUN)).body["extensions"]["cost"]
    assert (cost["refusal"], cost["nodeCount"]) == (code, 1_010_100)
    assert cost["explanation"][0] == {
        "path": "latestPosts.nodes",
        "weight": 1,
        "multiplier": 100,
        "from": "latestPosts.nodes (first: $n = 100)",
    }


async def test_new_documents_are_bounded_but_known_ones_are_not(start_server):
    server = await start_server(max_new_documents_per_minute=5)
    answers = [await server.graphql(f"{{ a{index}: __typename }}") for index in range(6)]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert answers[-1].codes == ["THROTTLED"]
    assert (await server.graphql("{ a0: __typename }")).status == 200
    assert (await server.graphql("{ a77: __typename }", headers=OLD)).status == 429


async def test_operations_at_once_are_bounded(start_server):
    server = await start_server(max_running_per_caller=1, max_running=1)
    lock = await server.person()
    resources = server.running.resources
    async with resources.db.transaction() as db:
        await db.execute("lock table posts in access exclusive mode")
        waiting = asyncio.create_task(server.graphql("{ latestPosts { nodes { id } } }"))
        while not await resources.db.fetchval("select count(*) from pg_locks where not granted"):  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0.01)
        refused = [await server.graphql("{ __typename }"), await lock.graphql("{ __typename }")]
    assert [(answer.status, answer.codes, answer.headers["Retry-After"]) for answer in refused] == [
        (503, ["OVERLOADED"], "1")
    ] * 2
    assert (await waiting).status == 200
    assert (await server.graphql("{ __typename }")).status == 200


async def test_the_static_cost_is_never_below_the_actual_one(start_server, demo_world):
    """Random operations on a real world, with pages, flags, fragments and aliases; what they show is counted apart."""
    server = await start_server()
    person = await server.person("costly")
    chance = random.Random(7)
    compared = 0
    for _ in range(150):
        query, variables = random_operation(chance)
        answer = await server.graphql(query, variables, headers=COST | person.headers)
        assert answer.status == 200, (query, answer.body)
        cost = answer.body["extensions"]["cost"]
        if not answer.codes:
            compared += 1
            assert objects(answer.body["data"]) <= cost["actualQueryCost"] <= cost["requestedQueryCost"], query
    assert compared >= 100


def objects(shown) -> int:
    """Return how many people and posts an answer shows: all of them ask for __typename."""
    if isinstance(shown, list):
        return sum(map(objects, shown))
    if isinstance(shown, dict):
        return (shown.get("__typename") in {"User", "Post"}) + sum(map(objects, shown.values()))
    return 0
