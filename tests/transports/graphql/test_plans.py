"""Plans answer what graphql-core answers: data, order of keys, and errors by path and code."""

import os
from random import Random
from typing import Any

import pytest

from app.domain.models import Viewer
from app.services.demo import WorldSize
from tests.transports.graphql.plan_operations import Facts, operation
from tests.transports.graphql.plan_reference import COMPLETED, PLANNED, UNCOVERED, Different, Judge

pytestmark = [
    pytest.mark.postgres,
    # Where a field fails, graphql-core cancels its siblings, and some of them have not begun.
    pytest.mark.filterwarnings("ignore:coroutine '.*' was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine object:pytest.PytestUnraisableExceptionWarning"),
]

N = int(os.environ.get("FEEDGRAPH_DIFFERENTIAL_N", "300"))
SEED = int(os.environ.get("FEEDGRAPH_DIFFERENTIAL_SEED", "1"))
VIEWER = Viewer(user_id=123, session_id=1, expires_at=None)  # type: ignore[arg-type]  # no query reads when a session ends

CURSORS = """query($id: ID!, $post: ID!) {
  user(id: $id) {
    postsConnection(first: 9) { ...P } followers(first: 9) { ...U } following(first: 9) { ...U }
  }
  post(id: $post) { repliesConnection(first: 9) { ...P } likers(first: 9) { ...U } }
  latestPosts(first: 9) { ...P }
}
fragment P on PostConnection { edges { cursor } }
fragment U on UserConnection { edges { cursor } }"""


@pytest.fixture
async def judge(demo_world: WorldSize, start_server, single) -> Judge:
    """The judge over the demo world; anonymous."""
    server = await start_server(max_tokens=100_000, max_documents=10)
    return Judge(server.running.resources, single)


async def facts_of(judge: Judge) -> Facts:
    """Return ids and cursors of the demo world; some posts are hidden first, and the parents of some replies deleted."""
    await judge.db.execute(
        "update posts set hidden_at = now_ms() where id in (select id from posts order by id % 97, id limit 40)"
    )
    await judge.db.execute(
        "delete from posts where id in "
        "(select in_reply_to_id from posts where in_reply_to_id is not null order by id % 89, id limit 40)"
    )
    users = await judge.db.fetch("select id, username from users where id <= 40 or id = 123 order by id")
    posts = await judge.db.fetch("select id from posts order by (hidden_at is not null) desc, likes_count desc, id limit 60")
    facts = Facts([str(row[0]) for row in users], [str(row[0]) for row in posts], [row[1] for row in users], {})
    for user, post in zip(facts.users, facts.posts, strict=False):
        data: Any = (await judge.reference(CURSORS, {"id": user, "post": post})).data
        for parent, found in ((user, data["user"]), (post, data["post"] or {}), ("", {"latestPosts": data["latestPosts"]})):
            for name, connection in found.items():
                facts.cursors.setdefault(name, {})[parent] = [edge["cursor"] for edge in connection["edges"]]
    feed: Any = (await Judge(judge.resources, judge.db, VIEWER).reference("{ feed(first: 9) { edges { cursor } } }")).data
    facts.cursors["feed"] = {"": [edge["cursor"] for edge in feed["feed"]["edges"]]}
    return facts


@pytest.mark.slow
async def test_random_operations_are_answered_by_plans_as_by_the_reference(judge):
    facts, rng, differences = await facts_of(judge), Random(SEED), list[str]()
    for _ in range(N):
        drawn = operation(rng, facts)
        judge.viewer = rng.choice([None, VIEWER])
        try:
            await judge.agree(drawn.text, drawn.variables)
        except Different as difference:
            differences.append(f"{judge.viewer}\n{difference}")
    print(judge.counts, judge.codes)  # for those who run thousands by hand
    assert not differences, f"{len(differences)} of {N} differ; the shortest:\n{min(differences, key=len)}"
    assert "INTERNAL_SERVER_ERROR" not in judge.codes
    assert judge.counts[PLANNED] + judge.counts[COMPLETED] >= 0.95 * N
    assert judge.counts[PLANNED] >= 0.5 * N
    assert judge.counts[COMPLETED]
    assert judge.counts[UNCOVERED]


async def test_a_failing_field_takes_nothing_from_others_that_share_its_loads(judge):
    post = await judge.db.fetchval("select id from posts order by id limit 1")
    judge.is_concurrent = True
    query = """query($id: ID!) {
      a: post(id: $id) { author { name } replies(first: 1000) { id } } b: post(id: $id) { author { name } }
    }"""
    answer = await judge.agree(query, {"id": str(post)})
    assert answer.data["a"] is None
    assert answer.data["b"]["author"]["name"]
    assert [error["path"] for error in answer.errors] == [["a", "replies"]]
