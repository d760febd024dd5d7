"""A plan that is stopped leaves its connection fit for the next one."""

import asyncio

import pytest

from app.services.context import RequestContext
from app.transports.graphql.parameters import Parameters
from app.transports.graphql.pipeline import Prepared, execute
from tests.transports.graphql.plan_reference import Judge

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(
    "query",
    [
        "{ node(id: 1) { id } }",  # by a root field's resolver, whose batch runs in a task of its own
        "{ post(id: 1) { id } }",  # by the plan itself
        "{ viewer { id } latestPosts { nodes { author { name } } } }",
    ],
)
async def test_whoever_waits_for_a_stopped_plans_connection_can_use_it(db, start_server, single, query):
    server = await start_server(query_timeout_s=0.2)
    judge = Judge(server.running.resources, single)
    operation, _ = judge.operation(query, None, None)
    prepared = Prepared(operation, Parameters(query))
    async with db.transaction() as blocking:
        await blocking.execute("lock table posts in access exclusive mode")
        plan = asyncio.create_task(execute(RequestContext(judge.resources), judge.documents, prepared))
        while not await blocking.fetchval("select count(*) from pg_locks where not granted"):  # noqa: ASYNC110  # no event for it
            await asyncio.sleep(0.01)
        next_one = asyncio.create_task(single.fetchval("select 1"))
        answer = await plan
        assert await next_one == 1
    assert [error["extensions"]["code"] for error in answer.errors] == ["DEADLINE_EXCEEDED"]
