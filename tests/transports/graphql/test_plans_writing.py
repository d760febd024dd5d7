"""Plans below mutations and events: what is shown is graphql-core's, and what is done is done once."""

# ruff: noqa: E501  # a query that is broken at every comma hides what it is about

import re

import orjson
import pytest

from app.engine import as_json
from tests.conftest import empty
from tests.transports.graphql.handful import FAILING_FIELDS, WORLD
from tests.transports.graphql.plan_reference import COMPLETED, PLANNED, different

COUNTS = """select (select count(*) from posts) as posts, (select count(*) from likes) as likes,
  (select count(*) from follows) as follows, (select count(*) from outbox) + (select count(*) from event_log) as events"""

pytestmark = FAILING_FIELDS


async def agree_on(judge, query, variables=None):
    """Run a mutation both ways, each on a world of its own; return the plan's answer and how many rows of each kind are new."""
    answers, counts = [], []
    for run in (judge.planned, judge.reference):
        await empty(judge.db)
        await judge.db.execute(WORLD)
        before = dict(await judge.db.fetchrow(COUNTS) or {})
        answers.append(await run(query, variables))
        after = dict(await judge.db.fetchrow(COUNTS) or {})
        counts.append({name: after[name] - before[name] for name in after if after[name] != before[name]})
        answers[-1].data = masked(orjson.loads(as_json(answers[-1].data)))
    assert different(*answers) == []
    assert counts[0] == counts[1]
    return answers[0], counts[0]


def masked(shown):
    """Return data with the ids and times of new rows made equal."""
    if isinstance(shown, dict):
        return {key: masked(value) for key, value in shown.items()}
    if isinstance(shown, list):
        return [masked(value) for value in shown]
    if isinstance(shown, str) and re.fullmatch(r"\d{15,}|20\d\d-.*Z", shown) and not shown.startswith("2026-0"):
        return "new"
    return shown


DEEP = """post { id title content createdAt author { username postsCount posts(first: 2) { id replies { id } } }
  inReplyTo { id repliesCount author { name } replies(first: 5) { content viewerHasLiked author { name } } }
  likers(first: 2) { edges { node { name viewerIsFollowing } } pageInfo { hasNextPage } } viewerHasLiked likesCount }"""


@pytest.mark.parametrize(
    ("query", "new"),
    [
        (
            'mutation { createPost(input: {content: "Hi", inReplyToId: 101}) { __typename ' + DEEP + " } }",
            {"posts": 1, "events": 2},
        ),
        ('mutation { createPost(input: {content: "Hi", idempotencyKey: "k"}) { ' + DEEP + " } }", {"posts": 1, "events": 1}),
        ("mutation { likePost(id: 103) { " + DEEP + " } }", {"likes": 1, "events": 1}),
        (
            "mutation { unlikePost(id: 101) { post { likesCount likers { nodes { id } } viewerHasLiked } } }",
            {"likes": -1, "events": 1},
        ),
        (
            "mutation { followUser(id: 11) { user { followersCount viewerIsFollowing followers { nodes { username } } } } }",
            {},  # Bob does already
        ),
        (
            "mutation { unfollowUser(id: 13) { user { id } } f: followUser(id: 13) { user { followersCount viewerIsFollowing } } }",
            {"events": 4},
        ),
        ("mutation { unfollowUser(id: 11) { user { id followersCount viewerIsFollowing } } }", {"follows": -1, "events": 2}),
        ('mutation { editPost(input: {id: 103, content: "New", title: null}) { ' + DEEP + " } }", {"events": 1}),
        ("mutation { deletePost(id: 103) { id __typename } }", {"posts": -1, "events": 2}),
        ("mutation { signOut }", {"events": 1}),
        (
            """mutation { a: likePost(id: 103) { post { likesCount viewerHasLiked } } b: unlikePost(id: 103) { post { likesCount
            viewerHasLiked } } c: likePost(id: 103) { post { likesCount } } createPost(input: {content: "x"}) { post { author { postsCount } } } }""",
            {"likes": 1, "posts": 1, "events": 4},
        ),
    ],
)
async def test_mutations_are_done_once_and_shown_by_plan(judge, query, new):
    answer, counts = await agree_on(judge, query)
    assert answer.executor == PLANNED
    assert counts == new


@pytest.mark.parametrize(
    ("query", "new"),
    [
        # The second fails: the first is done, the third is not begun.
        (
            """mutation { a: createPost(input: {content: "1"}) { post { id } } b: likePost(id: 1) { post { id } }
            c: createPost(input: {content: "3"}) { post { id } } }""",
            {"posts": 1, "events": 1},
        ),
        # What is shown of the second fails, where null may be: all three are done, each once.
        (
            """mutation { a: createPost(input: {content: "1"}) { post { author { postsCount } } }
            b: createPost(input: {content: "2", inReplyToId: 103}) { post { content inReplyTo { replies(first: 101) { id } } } }
            c: createPost(input: {content: "3"}) { post { author { postsCount } } } }""",
            {"posts": 3, "events": 4},
        ),
        # What is shown fails where null may not be: the first is done, the second is not begun.
        (
            """mutation { a: likePost(id: 103) { post { id replies(first: 101) { id } } } b: likePost(id: 104) { post { id } } }""",
            {"likes": 1, "events": 1},
        ),
        # What was shown before an error is what was true then.
        (
            """mutation { a: likePost(id: 103) { post { viewerHasLiked likers { nodes { id } } } }
            b: unlikePost(id: 103) { post { viewerHasLiked likers { nodes { id } } } }
            c: likePost(id: 103) { post { likers { nodes { id } } inReplyTo { replies(first: -1) { id } } } }
            d: unlikePost(id: 103) { post { viewerHasLiked } } }""",
            {"events": 4},
        ),
        ('mutation { createPost(input: {content: ""}) { post { id } } }', {}),
        ('mutation { likePost(id: "x") { post { id } } }', {}),
        ("mutation { followUser(id: 12) { user { id } } }", {}),
    ],
)
async def test_mutations_with_errors_are_completed_and_still_done_once(judge, query, new):
    answer, counts = await agree_on(judge, query)
    assert answer.executor == COMPLETED
    assert answer.errors
    assert counts == new


async def test_a_null_variable_stops_the_mutation_it_stands_in_and_those_behind_it(judge):
    query = "mutation($id: ID = 103) { a: likePost(id: 104) { post { id } } b: likePost(id: $id) { post { id } } c: likePost(id: 105) { post { id } } }"
    answer, counts = await agree_on(judge, query, {"id": None})
    assert answer.data is None
    assert counts == {"likes": 1, "events": 1}


async def test_an_anonymous_mutation_does_nothing(judge):
    judge.viewer = None
    answer, counts = await agree_on(judge, 'mutation { createPost(input: {content: "x"}) { post { id } } signOut }')
    assert [error["extensions"]["code"] for error in answer.errors] == ["UNAUTHENTICATED"]
    assert counts == {}


async def test_the_selection_below_an_event_is_shown_by_plan(server):
    ada, bob = await server.person(), await server.person()
    parent = await ada.post("parent")
    below = """{ __typename id content author { name postsCount posts { id } } inReplyTo { id author { username } replies(first: 2) { content } }
      likers { nodes { id } } viewerHasLiked }"""
    socket = await server.socket(bob.token)
    await socket.subscribe(f"subscription {{ new: postAdded {below} }}")
    await socket.send({"type": "ping"})
    await socket.receive()
    reply = await bob.post("reply", inReplyToId=parent)
    shown = (await socket.receive())["payload"]
    if shown["data"]["new"]["id"] == parent:  # its event may have come into the log a moment after the subscription began
        shown = (await socket.receive())["payload"]
    asked = await bob.graphql(f"query($id: ID!) {{ new: post(id: $id) {below} }}", id=reply)
    assert shown["data"] == asked.data
    assert "errors" not in shown


async def test_an_error_below_an_event_is_completed(server):
    ada = await server.person()
    socket = await server.socket(ada.token)
    await socket.subscribe("subscription { postAdded { content author { name } inReplyTo { id replies(first: 101) { id } } } }")
    await socket.send({"type": "ping"})
    await socket.receive()
    parent = await ada.post("one")
    assert (await socket.receive())["payload"]["data"]["postAdded"]["inReplyTo"] is None
    await ada.post("two", inReplyToId=parent)
    payload = (await socket.receive())["payload"]
    assert payload["data"] == {"postAdded": {"content": "two", "author": {"name": ada.username.title()}, "inReplyTo": None}}
    assert [error["extensions"]["code"] for error in payload["errors"]] == ["PAGE_SIZE"]
    assert payload["errors"][0]["path"] == ["postAdded", "inReplyTo", "replies"]
