"""Every error of the domain as GraphQL shows it: its code, its place, and nothing that was not meant to be seen."""

import asyncio
import re

import pytest

from app.domain.demo import DEMO_TOKEN
from app.infra import database
from tests.clients import TestServer
from tests.conftest import empty

SIGN_IN = "mutation($i: SignInInput!) { signIn(input: $i) { token } }"
SIGN_UP = "mutation($i: SignUpInput!) { signUp(input: $i) { token user { username } } }"
CREATE = "mutation($i: CreatePostInput!) { createPost(input: $i) { post { id content } } }"
EDIT = "mutation($i: EditPostInput!) { editPost(input: $i) { post { id content title } } }"
WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"

BY_ANYBODY = {
    "a page above 100": ("{ latestPosts(first: 101) { nodes { id } } }", "PAGE_SIZE"),
    "a page below 0": ("{ latestPosts(last: -1) { nodes { id } } }", "PAGE_SIZE"),
    "a cursor that is none": ('{ latestPosts(after: "nonsense") { nodes { id } } }', "CURSOR_INVALID"),
    "an empty cursor": ('{ latestPosts(before: "") { nodes { id } } }', "CURSOR_INVALID"),
    "first and last at once": ("{ latestPosts(first: 1, last: 1) { nodes { id } } }", "BAD_USER_INPUT"),
    "an id that is none": ('{ post(id: "abc") { id } }', "BAD_USER_INPUT"),
    "an id that is too large": ('{ node(id: "9223372036854775808") { id } }', "BAD_USER_INPUT"),
    "an id with a sign": ('{ node(id: "+1") { id } }', "BAD_USER_INPUT"),
    "an id of other digits": ('{ node(id: "١٢٣") { id } }', "BAD_USER_INPUT"),
    "a user by id and name": ('{ user(id: "1", username: "ann") { id } }', "BAD_USER_INPUT"),
    "a user by nothing": ("{ user { id } }", "BAD_USER_INPUT"),
    "more than 100 ids": ("{ nodes(ids: [" + "1, " * 101 + "]) { id } }", "BAD_USER_INPUT"),
    "the feed of nobody": ("{ feed { nodes { id } } }", "UNAUTHENTICATED"),
    "writing as nobody": ('mutation { createPost(input: {content: "x"}) { post { id } } }', "UNAUTHENTICATED"),
    "signing nobody out": ("mutation { signOut }", "UNAUTHENTICATED"),
}


@pytest.mark.parametrize("case", BY_ANYBODY)
async def test_each_mistake_has_its_code(server: TestServer, case: str):
    query, code = BY_ANYBODY[case]
    answer = await server.graphql(query)
    assert (answer.status, answer.codes) == (200, [code])
    assert answer.body["errors"][0]["path"]


async def test_codes_of_those_who_are_signed_in(server: TestServer):
    ann, ben = await server.person(), await server.person()
    post_id = await ann.post("Ann's")
    for asked, code in (
        (await ben.graphql("mutation($id: ID!) { deletePost(id: $id) { id } }", id=post_id), "FORBIDDEN"),
        (await ben.graphql(EDIT, i={"id": post_id, "content": "Ben's"}), "FORBIDDEN"),
        (await ann.graphql(EDIT, i={"id": post_id, "content": None}), "BAD_USER_INPUT"),
        (await ann.graphql(EDIT, i={"id": post_id}), "BAD_USER_INPUT"),
        (await ben.graphql('mutation { likePost(id: "999999") { post { id } } }'), "NOT_FOUND"),
        (await ben.graphql('mutation { followUser(id: "999999") { user { id } } }'), "NOT_FOUND"),
        (await ben.graphql("mutation($id: ID!) { followUser(id: $id) { user { id } } }", id=ben.id), "BAD_USER_INPUT"),
        (await ben.graphql(CREATE, i={"content": "Re", "inReplyToId": "999999"}), "NOT_FOUND"),
        (await ben.graphql(CREATE, i={"content": " \u200b "}), "BAD_USER_INPUT"),
        (await ben.graphql(CREATE, i={"content": "x" * 5_001}), "BAD_USER_INPUT"),
    ):
        assert (asked.status, asked.codes) == (200, [code])
    assert (await ann.graphql("query($id: ID!) { post(id: $id) { content } }", id=post_id)).data["post"]["content"] == "Ann's"


async def test_a_taken_name_is_a_conflict(server: TestServer):
    account = {"username": "Ann_1", "password": "correct horse", "name": "Ann"}
    assert (await server.graphql(SIGN_UP, {"i": account})).data["signUp"]["user"] == {"username": "ann_1"}
    again = await server.graphql(SIGN_UP, {"i": {**account, "username": "ANN_1"}})
    assert (again.status, again.codes, again.body["data"]) == (200, ["CONFLICT"], None)


async def test_a_key_used_for_another_post_is_a_mismatch(server: TestServer):
    ann = await server.person()
    first = await ann.graphql(CREATE, i={"content": "One", "idempotencyKey": "k"})
    assert (await ann.graphql(CREATE, i={"content": "One", "idempotencyKey": "k"})).data == first.data
    assert (await ann.graphql(CREATE, i={"content": "Two", "idempotencyKey": "k"})).codes == ["IDEMPOTENCY_MISMATCH"]


async def test_too_many_attempts_are_throttled_and_told_how_long_to_wait(start_server):
    server = await start_server(sign_in_attempts=2)
    credentials = {"username": "nobody_here", "password": "wrong password"}
    for _ in range(2):
        assert (await server.graphql(SIGN_IN, {"i": credentials})).codes == ["UNAUTHENTICATED"]
    answer = await server.graphql(SIGN_IN, {"i": credentials})
    assert answer.codes == ["THROTTLED"]
    assert 0 < answer.body["errors"][0]["extensions"]["retryAfter"] <= 900


# Tokens.


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer " + "x" * 1_000, "Basic YTpi", "Bearer", "Bearer  ", "nonsense"])
async def test_a_header_that_proves_nobody_is_401_before_anything_runs(server: TestServer, header: str):
    answer = await server.graphql("{ __typename }", headers={"Authorization": header})
    assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "data" not in answer.body


async def test_expired_and_revoked_tokens_are_401(server: TestServer):
    ann, ben = await server.person(), await server.person()
    await server.running.resources.db.execute("update sessions set expires_at = now() where user_id = $1", int(ann.id))
    assert (await ben.graphql("mutation { signOut }")).data == {"signOut": True}
    for person in (ann, ben):
        answer = await person.graphql("{ viewer { id } }")
        assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])


async def test_the_demo_token_signs_in_only_outside_production(demo_world, start_server):
    headers = {"Authorization": f"Bearer {DEMO_TOKEN}"}
    development = await start_server()
    assert (await development.graphql("{ viewer { id } }", headers=headers)).data == {"viewer": {"id": "123"}}
    production = await start_server(env="production")
    assert (await production.graphql("{ viewer { id } }", headers=headers)).status == 401


# What was not meant.


async def test_an_unexpected_failure_leaves_with_an_id_and_no_word_of_its_cause(server: TestServer):
    db = server.running.resources.db
    await db.execute("alter table users rename column bio to gone")
    try:
        answer = await server.graphql('{ good: __typename user(id: "1") { bio } }')
    finally:
        await db.execute("alter table users rename column gone to bio")
        await empty(db)
    assert (answer.status, answer.codes) == (200, ["INTERNAL_SERVER_ERROR"])
    assert answer.body["data"] == {"good": "Query", "user": None}
    [error] = answer.body["errors"]
    assert re.fullmatch("[0-9a-f]{16}", error["extensions"]["errorId"])
    assert "bio" not in error["message"]
    assert set(error["extensions"]) == {"code", "errorId"}


async def test_a_query_is_stopped_at_its_deadline_and_its_statement_with_it(start_server, addresses):
    server = await start_server(query_timeout_s=0.3)
    admin, pool = await database.connect(addresses.database_url, pool_size=2, acquire_timeout_s=5, statement_timeout_s=60)
    try:
        async with admin.transaction() as lock:
            await lock.execute("lock table posts in access exclusive mode")
            answer = await server.graphql("{ latestPosts { nodes { id } } }")
            assert (answer.status, answer.codes) == (504, ["DEADLINE_EXCEEDED"])
            assert "data" not in answer.body
            async with asyncio.timeout(10):
                while await admin.fetchval(WAITING):  # noqa: ASYNC110  # PostgreSQL sends no event when a statement ends
                    await asyncio.sleep(0.02)
        assert (await server.graphql("{ latestPosts { nodes { id } } }")).data == {"latestPosts": {"nodes": []}}
    finally:
        await database.close(pool, timeout_s=5)
