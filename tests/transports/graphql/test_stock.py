"""The stock executor answers what plans answer."""

import pytest

pytestmark = pytest.mark.postgres

HARD = """
query Hard($id: ID!, $n: Int = 2, $no: Boolean!) {
  user(id: $id) { ...Person followers(first: $n) { edges { cursor node { name } } pageInfo { hasNextPage } } }
  nodes(ids: ["123", "999999999"]) { __typename id ... on User { username } }
  hidden: viewer @skip(if: $no) { id }
}
fragment Person on User { name posts(first: $n) { title author { name } replies(first: 1) { id author { name } } } }
query Other { viewer { id } }
"""
FAILING = "{ latestPosts(first: 2) { nodes { id likers(first: 101) { nodes { id } } } } }"
WRITING = 'mutation { createPost(input: {content: "from stock"}) { post { content author { username } } } }'


async def test_the_stock_executor_answers_as_plans_do(demo_world, start_server):
    plans, stock = await start_server(), await start_server(executor="stock")
    for query, variables, name in (
        (HARD, {"id": "123", "no": True}, "Hard"),
        (HARD, {"id": "7", "n": None, "no": False}, "Hard"),
        (HARD, {}, "Other"),
        (FAILING, {}, None),
    ):
        by_plan = await plans.graphql(query, variables, operationName=name)
        by_stock = await stock.graphql(query, variables, operationName=name)
        assert by_stock.headers["Feedgraph-Executor"] == "stock"
        assert by_plan.headers["Feedgraph-Executor"].startswith("plan")
        assert (by_stock.status, by_stock.body) == (by_plan.status, by_plan.body)


async def test_the_stock_executor_writes_and_refuses(start_server):
    server = await start_server(executor="stock")
    person = await server.person()
    assert (await person.graphql(WRITING)).data["createPost"]["post"]["author"]["username"] == person.username
    refused = await server.graphql(WRITING)
    assert (refused.status, refused.codes) == (200, ["UNAUTHENTICATED"])
