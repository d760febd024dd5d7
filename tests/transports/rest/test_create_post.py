"""POST /posts: what it makes, what it refuses, and how it is repeated."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import stores
from tests.transports.rest.asking import POST_KEYS, ask, check_problem

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

JSON = {"Content-Type": "application/json"}
CREATE = "mutation($input: CreatePostInput!) { createPost(input: $input) { post { id } } }"
odd = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # one server serves all examples


async def create(person, body, **headers):
    """Send a post as JSON."""
    return await ask(person.server, "/posts", "POST", json=body, headers=person.headers | headers)


async def test_a_post_is_created_at_its_location(server):
    ada = await server.person()
    response = await create(ada, {"content": " Hello ", "title": "Title"})

    assert response.status == 201
    assert set(response.body) == POST_KEYS
    assert (response.body["content"], response.body["title"], response.body["authorId"]) == ("Hello", "Title", ada.id)
    assert response.headers["Location"] == f"/api/v1/posts/{response.body['postId']}"
    assert (await ask(server, response.headers["Location"])).body == response.body


async def test_a_reply_is_a_post_that_names_what_it_answers(server):
    ada = await server.person()
    post = await ada.post()
    response = await create(ada, {"content": "Reply", "inReplyToId": post, "title": None})
    assert response.body["inReplyToId"] == post
    assert [reply["postId"] for reply in (await ask(server, f"/posts/{post}/replies")).body] == [response.body["postId"]]
    check_problem(await create(ada, {"content": "Reply", "inReplyToId": "404"}), 404, "NOT_FOUND")


NOT_ACCEPTABLE: dict[str, list[Any]] = {
    "content": [None, 1, [], {}, "", " ", "\u200b", "x" * 5_001, "a\0"],
    "title": [1, [], "x" * 201, "a\nb"],
    "inReplyToId": [1, [], "", "abc", "-1", "9" * 30],
}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        *((body, None) for body in ([], "text", 1, True, [{"content": "x"}])),
        *(({"content": "x", field: value}, field) for field, values in NOT_ACCEPTABLE.items() for value in values),
        ({}, "content"),
    ],
)
async def test_what_is_not_acceptable_is_422_and_names_its_field(server, body, field):
    ada = await server.person()
    response = await create(ada, body)
    check_problem(response, 422, "BAD_USER_INPUT")
    assert response.body.get("field") == field
    assert await server.running.resources.db.fetchval("select count(*) from posts") == 0


TYPES_THAT_ARE_NOT_JSON = (
    *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "application/json; charset=utf-16"),
    *("", "application/jsonp"),
)


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        (JSON, b"", 400, "BAD_REQUEST"),
        (JSON, b"{", 400, "BAD_REQUEST"),
        (JSON, b"null", 422, "BAD_USER_INPUT"),
        (JSON, b"\xff", 400, "BAD_REQUEST"),
        (JSON, b"[" * 100_000, 400, "BAD_REQUEST"),
        (JSON, b'{"content": "\\ud800"}', 400, "BAD_REQUEST"),
        (JSON | {"Content-Encoding": "gzip"}, b"plain", 400, "BAD_REQUEST"),
        (JSON, b'{"content": "' + b"x" * 300_000 + b'"}', 413, "BODY_TOO_LARGE"),
        (JSON | {"Content-Encoding": "rot13"}, b"{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
        *(({"Content-Type": type_}, b'{"content": "x"}', 415, "UNSUPPORTED_MEDIA_TYPE") for type_ in TYPES_THAT_ARE_NOT_JSON),
    ],
)
async def test_a_body_that_is_not_small_json_in_utf_8_is_refused(server, headers, body, status, code):
    ada = await server.person()
    check_problem(await ask(server, "/posts", "POST", data=body, headers=ada.headers | headers), status, code)


async def test_a_session_is_needed(server):
    response = await ask(server, "/posts", "POST", json={"content": "x"})
    check_problem(response, 401, "UNAUTHENTICATED")
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_repeating_with_the_key_gives_the_same_answer_and_another_body_is_a_mismatch(server):
    ada = await server.person()
    key = {"Idempotency-Key": "a key"}
    first = await create(ada, {"content": "Hello"}, **key)
    again = await create(ada, {"content": "Hello", "title": None, "ignored": 1}, **key)

    assert (again.status, again.body, again.headers["Location"]) == (201, first.body, first.headers["Location"])
    check_problem(await create(ada, {"content": "Other"}, **key), 422, "IDEMPOTENCY_MISMATCH")
    assert (await create(ada, {"content": "Hello"})).body["postId"] != first.body["postId"]
    assert await server.running.resources.db.fetchval("select count(*) from posts") == 2


async def test_a_key_means_the_same_request_in_graphql(server):
    ada = await server.person()
    id_ = await ada.post("Hello", idempotencyKey="key")
    assert (await create(ada, {"content": "Hello"}, **{"Idempotency-Key": "key"})).body["postId"] == id_


async def test_twenty_requests_with_one_key_at_once_make_one_post(server):
    ada = await server.person()
    responses = await asyncio.gather(*(create(ada, {"content": "x"}, **{"Idempotency-Key": "key"}) for _ in range(20)))
    assert {response.status for response in responses} <= {201, 409}
    assert len({response.body["postId"] for response in responses if response.status == 201}) == 1


async def test_a_key_whose_first_request_is_still_running_is_a_conflict_and_the_post_comes_with_the_next(server):
    ada = await server.person()
    key = {"Idempotency-Key": "key"}
    db = server.running.resources.db
    async with db.transaction() as first:
        assert await stores.idempotency.hold(first, user_id=int(ada.id), key="key")
        check_problem(await create(ada, {"content": "x"}, **key), 409, "CONFLICT")
        assert (await ada.graphql(CREATE, input={"content": "x", "idempotencyKey": "key"})).codes == ["CONFLICT"]
    assert (await create(ada, {"content": "x"}, **key)).status == 201


@pytest.mark.parametrize("key", ["", "x" * 201])
async def test_a_key_that_is_empty_or_too_long_is_refused(server, key):
    response = await create(await server.person(), {"content": "x"}, **{"Idempotency-Key": key})
    check_problem(response, 422, "BAD_USER_INPUT")
    assert response.body["field"] == "idempotencyKey"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20) | st.just("1"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
bodies = values | st.fixed_dictionaries({}, optional=dict.fromkeys(("content", "title", "inReplyToId"), values))


@odd
@given(body=bodies)
async def test_any_json_is_created_or_refused_in_the_form_of_a_problem(server, body):
    await answered(server, json.dumps(body).encode())


@odd
@given(body=st.binary(max_size=60))
async def test_any_bytes_are_refused_in_the_form_of_a_problem(server, body):
    await answered(server, body)


async def answered(server, body):
    """Send a body; require a post, or a problem that is the caller's."""
    name = "fuzzer"
    known = await server.running.resources.db.fetchval("select id from users where username = $1", name)
    headers = {"Authorization": f"Bearer token-of-{name}"} if known else (await server.person(name)).headers
    response = await ask(server, "/posts", "POST", data=body, headers=headers | JSON)
    if response.status != 201:
        assert 400 <= response.status < 500
        check_problem(response, response.status, response.body["code"])
