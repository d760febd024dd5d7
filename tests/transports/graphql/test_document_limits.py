"""What a document may be: its tokens, its depth, fragments that double, and who may read the schema."""

import asyncio
from itertools import pairwise

import pytest
from graphql import build_client_schema, get_introspection_query, print_schema

from app.transports.graphql.schema import core_schema
from tests.clients import TestServer
from tests.transports.graphql.wire import ask, assert_refused

HANG_S = 20  # an answer that takes so long counts as a hang; honest ones take milliseconds


def doubling(levels: int, *, leaf: str = "__typename") -> str:
    """Return a query whose fragments spread the next one twice: 2 to the `levels` leaves once expanded."""
    names = [f"f{level}" for level in range(levels + 1)]
    steps = [f"fragment {name} on Query {{ ...{below} ...{below} }}" for name, below in pairwise(names)]
    return " ".join(["{ ...f0 }", *steps, f"fragment {names[-1]} on Query {{ {leaf} }}"])


@pytest.fixture
async def roomy(start_server) -> TestServer:
    """A server whose other limits do not come in the way."""
    much = 10**9
    return await start_server(max_aliases=much, max_root_fields=much, max_nodes=much, max_cost=much)


async def answer_to(server: TestServer, query: str):
    async with asyncio.timeout(HANG_S):
        return await ask(server, {"query": query})


async def test_a_document_may_have_2000_tokens_and_no_more(roomy: TestServer):
    fields = " ".join(f"a{index}: __typename" for index in range(666))  # 3 tokens each, and the two braces: exactly 2,000
    assert (await answer_to(roomy, f"{{ {fields} }}")).status == 200
    assert_refused(await answer_to(roomy, f"{{ {fields} b }}"), 400, "TOKEN_LIMIT")


async def test_comments_are_bounded_like_tokens(server: TestServer):
    assert (await answer_to(server, "#\n" * 1_000 + "{ __typename }")).status == 200
    assert_refused(await answer_to(server, "#\n" * 50_000 + "{ __typename }"), 400, "TOKEN_LIMIT")


async def test_the_limit_of_tokens_is_a_setting(start_server):
    server = await start_server(max_tokens=10)
    assert (await answer_to(server, "{ a: __typename }")).status == 200
    assert_refused(await answer_to(server, "{ a: __typename b: __typename c: __typename }"), 400, "TOKEN_LIMIT")


@pytest.mark.parametrize("depth", [1, 5, 11, 12])
async def test_fields_may_lie_12_deep(roomy: TestServer, depth: int):
    query = "{ __typename }" if depth == 1 else chain(depth)
    answer = await answer_to(roomy, query)
    assert answer.status == 200
    assert "errors" not in answer.json


def chain(depth: int) -> str:
    """Return a query of exactly `depth` levels: user, posts, author, posts …, id."""
    links = ['user(id: "1")', *("posts" if level % 2 == 0 else "author" for level in range(depth - 2)), "id"]
    return "{ " + " { ".join(links) + " }" * depth


@pytest.mark.parametrize("depth", [13, 14, 60])
async def test_deeper_documents_are_refused(server: TestServer, depth: int):
    assert_refused(await answer_to(server, chain(depth)), 400, "DEPTH_LIMIT")


async def test_fragments_hide_no_depth(server: TestServer):
    fragments = "".join(
        f"fragment f{level} on {'User' if level % 2 == 0 else 'Post'} "
        f"{{ {'posts' if level % 2 == 0 else 'author'} {{ ...f{level + 1} }} }} "
        for level in range(12)
    )
    query = '{ user(id: "1") { ...f0 } } ' + fragments + "fragment f12 on User { id }"
    assert_refused(await answer_to(server, query), 400, "DEPTH_LIMIT")


@pytest.mark.parametrize("levels", [20, 24, 100])
async def test_doubling_fragments_cost_no_more_than_their_text(server: TestServer, levels: int):
    answer = await answer_to(server, doubling(2))
    assert (answer.status, answer.json) == (200, {"data": {"__typename": "Query"}})
    assert_refused(await answer_to(server, doubling(levels)), 400, "ROOT_FIELD_LIMIT")


async def test_doubling_fragments_over_fields_are_answered(server: TestServer):
    names = [f"f{level}" for level in range(9)]
    steps = [
        f"fragment {n} on User {{ a: posts {{ author {{ ...{b} }} }} b: posts {{ author {{ ...{b} }} }} }}"
        for n, b in pairwise(names)
    ]
    query = '{ user(id: "1") { ...f0 } } ' + " ".join(steps) + " fragment f8 on User { id }"
    assert_refused(await answer_to(server, query), 400, "DEPTH_LIMIT")


@pytest.mark.parametrize(
    "query",
    [
        "{ ...a } fragment a on Query { ...a }",
        "{ ...a } fragment a on Query { ...b ...b } fragment b on Query { ...a ...a __typename }",
        '{ user(id: "1") { ...a } } fragment a on User { posts { author { ...a } } }',
        "{ ...missing }",
        "{ ...a } fragment a on Nothing { id }",
        "{ __typename } fragment unused on Query { __typename }",
        "{ ...a } fragment a on Query { __typename } fragment a on Query { __typename }",
    ],
)
async def test_fragments_in_circles_or_nowhere_are_refused(server: TestServer, query: str):
    assert_refused(await answer_to(server, query), 400, "GRAPHQL_VALIDATION_FAILED")


@pytest.mark.parametrize("levels", [10, 150, 300, 600])
async def test_inline_fragments_however_deep_are_answered(server: TestServer, levels: int):
    answer = await answer_to(server, "{ " + "... { " * levels + "__typename" + " }" * levels + " }")
    if levels == 10:
        assert answer.json == {"data": {"__typename": "Query"}}
    assert answer.status in {200, 400}
    assert not answer.codes or answer.codes[0] in {"DEPTH_LIMIT", "TOKEN_LIMIT", "GRAPHQL_PARSE_FAILED"}


@pytest.mark.parametrize("opening", ["{a", "[", "{a:"])
async def test_values_however_deep_are_answered(server: TestServer, opening: str):
    values = "[" * 900 + "]" * 900 if opening == "[" else "{a:" * 600 + "1" + "}" * 600
    answer = await answer_to(server, f"{{ user(id: {values}) {{ id }} }}")
    assert_refused(answer, 400, answer.codes[0])
    assert answer.codes[0] != "INTERNAL_SERVER_ERROR"


async def test_fields_that_cannot_merge_are_refused_and_so_are_more_equal_ones_than_can_be_compared(roomy: TestServer):
    conflict = '{ user(id: "1") { a: name a: username } }'
    assert_refused(await answer_to(roomy, conflict), 400, "GRAPHQL_VALIDATION_FAILED")
    assert (await answer_to(roomy, "{ " + "__typename " * 50 + "}")).status == 200
    assert_refused(await answer_to(roomy, "{ " + "__typename " * 1_990 + "}"), 400, "GRAPHQL_VALIDATION_FAILED")


async def test_at_most_20_errors_are_listed(roomy: TestServer):
    answer = await answer_to(roomy, "{ " + " ".join(f"x{index}" for index in range(500)) + " }")
    assert_refused(answer, 400, "GRAPHQL_VALIDATION_FAILED")
    assert len(answer.codes) <= 21  # and one line that says there are more


async def test_a_huge_wrong_value_does_not_come_back(server: TestServer):
    answer = await ask(
        server, {"query": "query($f: Int) { latestPosts(first: $f) { nodes { id } } }", "variables": {"f": "x" * 200_000}}
    )
    assert_refused(answer, 400, "BAD_USER_INPUT")
    assert len(answer.body) < 2_000
    named = await ask(server, {"query": "{ __typename }", "operationName": "n" * 100_000})
    assert_refused(named, 400, "OPERATION_RESOLUTION_FAILURE")
    assert len(named.body) < 2_000


# Who may read the schema.


async def test_development_answers_the_full_introspection_query(server: TestServer):
    query = get_introspection_query(specified_by_url=True, input_value_deprecation=True)
    answer = await answer_to(server, query)
    assert print_schema(build_client_schema(answer.json["data"])) == print_schema(core_schema())


async def test_development_suggests_names(server: TestServer):
    answer = await answer_to(server, '{ user(id: "1") { usernam } }')
    assert "username" in answer.json["errors"][0]["message"]


@pytest.mark.parametrize("query", ["{ __schema { types { name } } }", '{ __type(name: "User") { name } }'])
async def test_production_refuses_introspection(start_server, query: str):
    server = await start_server(env="production")
    assert_refused(await answer_to(server, query), 400, "INTROSPECTION_DISABLED")
    hidden = "{ ...f } fragment f on Query { ... { s: " + query.removeprefix("{ ").removesuffix(" }") + " } }"
    assert_refused(await answer_to(server, hidden), 400, "INTROSPECTION_DISABLED")
    assert (await answer_to(server, "{ __typename }")).json == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "request_",
    [
        {"query": '{ user(id: "1") { usernam } }'},
        {"query": '{ user(idd: "1") { id } }'},
        {"query": "{ __typename ...f } fragment f on Usr { id }"},
        {"query": "query($i: CreatePostInpu) { __typename }"},
        {"query": 'mutation { createPost(input: {conten: "x"}) { post { id } } }'},
        {"query": "mutation($i: CreatePostInput!) { createPost(input: $i) { post { id } } }", "variables": {"i": {"conten": ""}}},
    ],
)
async def test_production_suggests_nothing(start_server, request_: dict[str, object]):
    server = await start_server(env="production")
    answer = await ask(server, request_)
    assert answer.status == 400
    assert not any("Did you mean" in error["message"] for error in answer.json["errors"])


async def test_introspection_is_a_setting_of_its_own(start_server):
    opened = await start_server(env="production", introspection=True)
    assert (await answer_to(opened, "{ __schema { queryType { name } } }")).status == 200
    closed = await start_server(introspection=False)
    assert_refused(await answer_to(closed, "{ __schema { queryType { name } } }"), 400, "INTROSPECTION_DISABLED")
