"""GraphQL over HTTP: status codes, media types, methods and parameters, as the audit suite and the specification want them."""

import asyncio
import json
from urllib.parse import urlencode

import pytest

from tests.clients import TestServer
from tests.transports.graphql.wire import NEW_TYPE, OLD_TYPE, ask, assert_refused, send

HELLO = "{ __typename }"
TWO_OPERATIONS = "query a { __typename } query b { viewer { id } }"

REFUSED_BEFORE_EXECUTION = {
    "a document that does not parse": ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
    "an empty selection": ({"query": "{}"}, "GRAPHQL_PARSE_FAILED"),
    "only a comment": ({"query": "# nothing"}, "GRAPHQL_PARSE_FAILED"),
    "an unknown field": ({"query": "{ nonsense }"}, "GRAPHQL_VALIDATION_FAILED"),
    "an unknown argument": ({"query": '{ user(nonsense: "1") { id } }'}, "GRAPHQL_VALIDATION_FAILED"),
    "a missing argument": ({"query": "{ post { id } }"}, "GRAPHQL_VALIDATION_FAILED"),
    "a missing variable": ({"query": "query($id: ID!) { post(id: $id) { id } }"}, "BAD_USER_INPUT"),
    "a null variable": ({"query": "query($id: ID!) { post(id: $id) { id } }", "variables": {"id": None}}, "BAD_USER_INPUT"),
    "a variable of a wrong type": (
        {"query": "query($first: Int) { latestPosts(first: $first) { nodes { id } } }", "variables": {"first": "ten"}},
        "BAD_USER_INPUT",
    ),
    "an unknown operationName": ({"query": HELLO, "operationName": "other"}, "OPERATION_RESOLUTION_FAILURE"),
    "several operations and no name": ({"query": TWO_OPERATIONS}, "OPERATION_RESOLUTION_FAILURE"),
    "no operation": ({"query": "fragment f on Query { __typename }"}, "GRAPHQL_VALIDATION_FAILED"),
}

NOT_A_REQUEST = {
    "no query": {"variables": {}},
    "a null query": {"query": None},
    "an empty query": {"query": ""},
    "a query that is a number": {"query": 5},
    "a query that is an object": {"query": {"a": 1}},
    "variables as a list": {"query": HELLO, "variables": [1]},
    "variables as text": {"query": HELLO, "variables": "{}"},
    "variables as a number": {"query": HELLO, "variables": 0},
    "variables as false": {"query": HELLO, "variables": False},
    "extensions as a list": {"query": HELLO, "extensions": []},
    "extensions as text": {"query": HELLO, "extensions": ""},
    "operationName as a list": {"query": HELLO, "operationName": ["a"]},
    "operationName as a number": {"query": HELLO, "operationName": 0},
    "operationName as an object": {"query": HELLO, "operationName": {}},
    "operationName as false": {"query": HELLO, "operationName": False},
    "a number": 5,
    "null": None,
    "true": True,
    "a string": "{ __typename }",
    "a batch": [{"query": HELLO}],
    "an empty batch": [],
    "a list of numbers": [1, 2],
    "an empty object": {},
}


@pytest.mark.parametrize("case", REFUSED_BEFORE_EXECUTION)
async def test_what_is_refused_before_execution_is_400_without_data_under_the_newer_type(server: TestServer, case: str):
    request, code = REFUSED_BEFORE_EXECUTION[case]
    answer = await ask(server, request)
    assert_refused(answer, 400, code)
    assert answer.media_type == NEW_TYPE


@pytest.mark.parametrize("case", REFUSED_BEFORE_EXECUTION)
async def test_what_is_refused_before_execution_is_200_without_data_under_the_older_type(server: TestServer, case: str):
    request, code = REFUSED_BEFORE_EXECUTION[case]
    answer = await ask(server, request, accept=OLD_TYPE)
    assert_refused(answer, 200, code)
    assert answer.media_type == OLD_TYPE


@pytest.mark.parametrize("accept", [NEW_TYPE, OLD_TYPE])
@pytest.mark.parametrize("case", NOT_A_REQUEST)
async def test_json_that_is_no_graphql_request_is_400_under_both_types(server: TestServer, case: str, accept: str):
    answer = await ask(server, NOT_A_REQUEST[case], accept=accept)
    assert_refused(answer, 400, "BAD_REQUEST")
    assert answer.media_type == accept


@pytest.mark.parametrize("accept", [NEW_TYPE, OLD_TYPE])
async def test_data_with_a_fields_error_is_200_with_both(server: TestServer, accept: str):
    answer = await ask(server, {"query": "{ feed { nodes { id } } }"}, accept=accept)
    assert (answer.status, answer.media_type, answer.codes) == (200, accept, ["UNAUTHENTICATED"])
    assert answer.json["data"] is None  # the field may not be null, so the whole data are; the entry is there all the same
    assert answer.json["errors"][0]["path"] == ["feed"]
    assert answer.json["errors"][0]["locations"] == [{"line": 1, "column": 3}]


async def test_an_error_in_a_nullable_field_leaves_its_neighbours(server: TestServer):
    answer = await ask(server, {"query": '{ good: __typename bad: user(id: "x") { id } }'})
    assert (answer.status, answer.codes) == (200, ["BAD_USER_INPUT"])
    assert answer.json["data"] == {"good": "Query", "bad": None}
    assert answer.json["errors"][0]["extensions"]["field"] == "id"


@pytest.mark.parametrize(
    "extra", [{}, {"variables": None, "extensions": None, "operationName": None}, {"operationName": ""}, {"unknown": [1]}]
)
async def test_null_and_unknown_parameters_count_as_absent(server: TestServer, extra: dict[str, object]):
    answer = await ask(server, {"query": HELLO, **extra})
    assert (answer.status, answer.json) == (200, {"data": {"__typename": "Query"}})


async def test_an_operation_is_found_by_its_name(server: TestServer):
    answer = await ask(server, {"query": TWO_OPERATIONS, "operationName": "b"})
    assert answer.json == {"data": {"viewer": None}}


async def test_of_two_equal_keys_the_last_one_counts(server: TestServer):
    answer = await send(server, b'{"query": "{", "query": "{ __typename }"}')
    assert answer.json == {"data": {"__typename": "Query"}}


async def test_a_query_may_be_spread_over_chunks(server: TestServer):
    chunks = b'9\r\n{"query":\r\n12\r\n"{ __typename }"  \r\n1\r\n}\r\n0\r\n\r\n'
    answer = await send(server, chunks, content_length=None, transfer_encoding="chunked")
    assert answer.json == {"data": {"__typename": "Query"}}


# Methods.


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("accept", [NEW_TYPE, OLD_TYPE])
async def test_other_methods_are_405_and_told_which_there_are(server: TestServer, method: str, accept: str):
    answer = await send(server, json.dumps({"query": HELLO}).encode(), method=method, accept=accept)
    assert_refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


async def test_options_tells_the_methods(server: TestServer):
    answer = await send(server, method="OPTIONS")
    assert (answer.status, answer.body) == (204, b"")
    assert {"GET", "POST", "HEAD", "OPTIONS"} == set(answer.headers["allow"].split(", "))


async def test_head_answers_like_get_without_a_body(server: TestServer):
    target = "/graphql?" + urlencode({"query": HELLO})
    got, head = await send(server, method="GET", target=target), await send(server, method="HEAD", target=target)
    assert (head.status, head.body) == (200, b"")
    same = ("content-type", "content-length", "vary", "cache-control")
    assert {name: head.headers[name] for name in same} == {name: got.headers[name] for name in same}


async def test_answers_are_never_stored_and_vary_by_what_chose_them(server: TestServer):
    answer = await ask(server, {"query": HELLO})
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["server"] == "feedgraph"
    assert {"Accept", "Authorization"} <= set(answer.headers["vary"].split(", "))


# GET.


async def get(server: TestServer, *, accept: str | None = NEW_TYPE, **parameters: str):
    return await send(server, method="GET", target="/graphql?" + urlencode(parameters), accept=accept, content_length=None)


async def test_get_takes_its_parameters_from_the_address(server: TestServer):
    query = "query a($id: ID) { user(id: $id) { id } } query b { __typename }"
    answer = await get(server, query=query, variables='{"id": "1"}', operationName="a", extensions="{}")
    assert (answer.status, answer.json) == (200, {"data": {"user": None}})


@pytest.mark.parametrize("parameters", [{"operationName": ""}, {"variables": ""}, {"extensions": ""}, {"variables": "null"}])
async def test_empty_parameters_of_a_get_are_absent(server: TestServer, parameters: dict[str, str]):
    assert (await get(server, query=HELLO, **parameters)).json == {"data": {"__typename": "Query"}}


async def test_an_operation_may_be_called_null_in_a_get(server: TestServer):
    assert_refused(await get(server, query=HELLO, operationName="null"), 400, "OPERATION_RESOLUTION_FAILURE")
    named = await get(server, query="query null { __typename } query b { viewer { id } }", operationName="null")
    assert named.json == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "parameters",
    [{"query": ""}, {"variables": "{}"}, {"query": HELLO, "variables": "["}, {"query": HELLO, "variables": "[]"},
     {"query": HELLO, "extensions": "5"}, {"query": HELLO, "variables": "9" * 5000}, {"query": HELLO, "variables": "[" * 2000}],
)  # fmt: skip
async def test_wrong_parameters_of_a_get_are_400(server: TestServer, parameters: dict[str, str]):
    assert_refused(await get(server, **parameters), 400, "BAD_REQUEST")


async def test_get_without_any_parameter_is_400_for_programs(server: TestServer):
    assert_refused(await send(server, method="GET", accept=OLD_TYPE), 400, "BAD_REQUEST")


async def test_bytes_in_an_address_that_are_no_utf8_are_answered(server: TestServer):
    for target in ("/graphql?query=%FF%FE", "/graphql?query=%00", "/graphql?query=%ED%A0%80", "/graphql?%", "/graphql?query=%zz"):
        answer = await send(server, method="GET", target=target, accept=NEW_TYPE)
        assert answer.status == 400, target
        assert answer.codes[0] in {"BAD_REQUEST", "GRAPHQL_PARSE_FAILED"}


@pytest.mark.parametrize("accept", [NEW_TYPE, OLD_TYPE])
async def test_a_mutation_by_get_is_405_and_does_not_run(server: TestServer, accept: str):
    person = await server.person()
    query = 'mutation { createPost(input: {content: "forged"}) { post { id } } }'
    target = "/graphql?" + urlencode({"query": query})
    answer = await send(server, method="GET", target=target, accept=accept, authorization=f"Bearer {person.token}")
    assert_refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "POST"
    assert await server.running.resources.db.fetchval("select count(*) from posts") == 0


async def test_a_mutation_chosen_by_its_name_is_refused_in_a_get_too(server: TestServer):
    query = "query a { __typename } mutation b { signOut }"
    assert_refused(await get(server, query=query, operationName="b"), 405, "METHOD_NOT_ALLOWED")
    assert (await get(server, query=query, operationName="a")).status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_subscription_is_refused_and_told_where_to_go(server: TestServer, method: str):
    query = "subscription { postAdded { id } }"
    answer = await get(server, query=query) if method == "GET" else await ask(server, {"query": query})
    assert_refused(answer, 400, "BAD_REQUEST")
    assert "graphql-transport-ws" in answer.json["errors"][0]["message"]


# Deadlines.


async def test_a_caller_may_ask_for_a_shorter_deadline(server: TestServer):
    person, db = await server.person(), server.running.resources.db
    latest = {"query": "{ latestPosts { nodes { id } } }"}
    signed = {"authorization": f"Bearer {person.token}"}
    async with asyncio.timeout(20), db.transaction() as lock:
        await lock.execute("lock table posts in access exclusive mode")
        for request, accept in (
            (latest, NEW_TYPE),
            (latest, "text/event-stream"),
            ({"query": 'mutation { createPost(input: {content: "late"}) { post { id } } }'}, NEW_TYPE),
        ):
            answer = await ask(server, request, accept=accept, x_request_timeout="0.05", **signed)
            assert_refused(answer, 504, "DEADLINE_EXCEEDED")
            assert "0.05 seconds" in answer.json["errors"][0]["message"]
    assert await db.fetchval("select count(*) from posts") == 0
    assert (await ask(server, latest, x_request_timeout="999999")).json["data"]["latestPosts"] == {"nodes": []}
    for text in ("0", "-1", "abc", "", "1e3", "nan", "1000000000", "0.0000001"):
        assert_refused(await ask(server, latest, x_request_timeout=text), 400, "BAD_REQUEST")


# Content types.

SIMPLE_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain, application/json",
]


@pytest.mark.parametrize("content_type", [*SIMPLE_TYPES, "application/graphql", "application/jsonp", "", "json", None])
async def test_bodies_of_other_types_are_415(server: TestServer, content_type: str | None):
    answer = await ask(server, {"query": HELLO}, content_type=content_type)
    assert_refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "utf-7", "", "utf-8; charset=latin-1"])
async def test_other_charsets_are_415(server: TestServer, charset: str):
    answer = await ask(server, {"query": HELLO}, content_type=f"application/json; charset={charset}")
    assert_refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/json;charset=utf8",
        "application/json ;",
    ],
)
async def test_json_is_recognised_in_every_spelling(server: TestServer, content_type: str):
    assert (await ask(server, {"query": HELLO}, content_type=content_type)).status == 200


@pytest.mark.parametrize("content_type", SIMPLE_TYPES)
async def test_a_get_with_a_simple_content_type_is_refused_as_forged(server: TestServer, content_type: str):
    target = "/graphql?" + urlencode({"query": HELLO})
    answer = await send(server, method="GET", target=target, content_type=content_type, accept=NEW_TYPE)
    assert_refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert (await send(server, method="GET", target=target, content_type="application/json", accept=NEW_TYPE)).status == 200
