"""Plans answer what stock Strawberry answers: status, data, order of keys, and errors by path and code.

Two servers over the same rows, one with plans and one without, are asked the same random operations over HTTP, each anonymously
and by a user. Half of these are drawn by plan_operations (merging, fragments, variables, cursors), half by hypothesis-graphql.
`make differential N=20000` asks many; FEEDGRAPH_DIFFERENTIAL_SEED chooses others.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson
import pytest
import structlog
from graphql import DocumentNode, validate
from graphql.execution import executor as graphql_core

from app.domain.demo import DEMO_TOKEN
from tests.clients import Answer, TestServer
from tests.transports.graphql.handful import FAILING_FIELDS
from tests.transports.graphql.plan_operations import Facts, Operation, operation
from tests.transports.graphql.plan_reference import one_after_the_other
from tests.transports.graphql.schema_operations import operations

pytestmark = FAILING_FIELDS

N = int(os.environ.get("FEEDGRAPH_DIFFERENTIAL_N", "200"))
SEED = int(os.environ.get("FEEDGRAPH_DIFFERENTIAL_SEED", "1"))
PIECE = 500  # operations between two lines of progress
SHOWN = 3  # differences
SIGNED_IN = {"Authorization": f"Bearer {DEMO_TOKEN}"}
CALLERS: tuple[dict[str, str], ...] = ({}, SIGNED_IN)

UNLIMITED = {  # what may be asked is another test's subject
    **dict.fromkeys(("max_aliases", "max_root_fields", "max_directives", "max_selections", "max_tokens"), 10**6),
    **dict.fromkeys(("anonymous_points", "anonymous_points_per_s", "signed_in_points", "signed_in_points_per_s"), 10**9),
    **dict.fromkeys(("query_timeout_s", "statement_timeout_s", "db_acquire_timeout_s"), 600),  # however busy the machine is
    "max_documents": 10,
    "max_depth": 100,
    "max_new_documents_per_minute": 10**9,
}

CURSORS = """query($id: ID!, $post: ID!) {
  user(id: $id) {
    postsConnection(first: 9) { ...P } followers(first: 9) { ...U } following(first: 9) { ...U }
  }
  post(id: $post) { repliesConnection(first: 9) { ...P } likers(first: 9) { ...U } }
  latestPosts(first: 9) { ...P }
}
fragment P on PostConnection { edges { cursor } }
fragment U on UserConnection { edges { cursor } }"""


@dataclass
class Comparison:
    """Both servers, and what came of asking them."""

    plans: TestServer
    stock: TestServer
    differences: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)  # by what was in them
    codes: Counter[str] = field(default_factory=Counter)

    async def ask(self, asked: Operation, headers: dict[str, str]) -> None:
        """Ask both; note what differs."""
        by_plan = await self.plans.graphql(asked.text, asked.variables, headers=headers)
        by_stock = await self.stock.graphql(asked.text, asked.variables, headers=headers)
        self.codes.update(by_stock.codes)
        kind = "refused" if "data" not in by_stock.body else "with errors" if by_stock.codes else "without errors"
        self.answers[kind] += 1
        if told := different(by_plan, by_stock):
            self.differences.append("\n".join([*told, asked.text, repr(asked.variables), repr(headers)]))
            print(self.differences[-1])

    @property
    def executors(self) -> Counter[tuple[str, str]]:
        """How many operations the first server executed, by what executed them and why."""
        return Counter({(key[0], key[1]): count for key, count in self.plans.running.resources.metrics.operations.counts.items()})

    def report(self, done: int) -> None:
        """Say how things stand, for those who run thousands."""
        executed = ", ".join(f"{' '.join(filter(None, key))} {count / done:.2%}" for key, count in self.executors.most_common())
        print(f"{done} operations, {len(self.differences)} differences; {dict(self.answers)}; executed: {executed}", flush=True)


def different(by_plan: Answer, by_stock: Answer) -> list[str]:
    """Return what tells two answers apart."""
    found = []
    if by_plan.status != by_stock.status:
        found.append(f"status by plan: {by_plan.status}, by stock: {by_stock.status}")
    if orjson.dumps(by_plan.body.get("data")) != orjson.dumps(by_stock.body.get("data")):
        found.append(f"data by plan:  {by_plan.body.get('data')}\nby stock:      {by_stock.body.get('data')}")
    if places(by_plan) != places(by_stock):
        found.append(f"errors by plan:  {by_plan.body.get('errors')}\nby stock:        {by_stock.body.get('errors')}")
    return found


def places(answer: Answer) -> Counter[tuple[str, str]]:
    """Return the errors by path and code."""
    return Counter((repr(error.get("path")), error["extensions"]["code"]) for error in answer.body.get("errors", ()))


async def facts_of(db: Any, server: TestServer) -> Facts:
    """Return ids and cursors of the demo world; some posts are hidden first, and the parents of some replies deleted."""
    await db.execute("update posts set hidden_at = now_ms() where id in (select id from posts order by id % 97, id limit 40)")
    await db.execute(
        "delete from posts where id in "
        "(select in_reply_to_id from posts where in_reply_to_id is not null order by id % 89, id limit 40)"
    )
    users = await db.fetch("select id, username from users where id <= 40 or id = 123 order by id")
    posts = await db.fetch("select id from posts order by (hidden_at is not null) desc, likes_count desc, id limit 60")
    facts = Facts([str(row[0]) for row in users], [str(row[0]) for row in posts], [row[1] for row in users], {})
    for user, post in zip(facts.users, facts.posts, strict=False):
        data = (await server.graphql(CURSORS, {"id": user, "post": post})).data
        for parent, found in ((user, data["user"]), (post, data["post"] or {}), ("", {"latestPosts": data["latestPosts"]})):
            for name, connection in found.items():
                facts.cursors.setdefault(name, {})[parent] = [edge["cursor"] for edge in connection["edges"]]
    feed = (await server.graphql("{ feed(first: 9) { edges { cursor } } }", headers=SIGNED_IN)).data
    facts.cursors["feed"] = {"": [edge["cursor"] for edge in feed["feed"]["edges"]]}
    return facts


@pytest.fixture
def _only_errors_are_logged():
    """Keep thousands of lines about requests out of the way of those about progress."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.configure(**before)


def once_a_text() -> Callable[..., Any]:
    """Return graphql-core's validation that remembers the last document: both servers validate each, which takes longest."""
    last: dict[str, Any] = {}

    def validated(schema: Any, ast: DocumentNode, *args: Any, **kwargs: Any) -> Any:
        assert ast.loc
        text = ast.loc.source.body
        if text not in last:
            last.clear()
            last[text] = validate(schema, ast, *args, **kwargs)
        return last[text]

    return validated


@pytest.mark.slow
@pytest.mark.usefixtures("_only_errors_are_logged")
async def test_random_operations_are_answered_by_plans_as_by_stock_strawberry(demo_world, db, start_server, monkeypatch):
    # Of several errors that null the same place only the first to happen is told: so that this order is defined, graphql-core
    # executes one field after the other.
    monkeypatch.setattr(graphql_core, "gather_with_cancel", one_after_the_other)
    validates = once_a_text()
    for module in ("app.transports.graphql.documents", "strawberry.schema.schema"):
        monkeypatch.setattr(f"{module}.validate", validates)
    both = Comparison(await start_server(**UNLIMITED), await start_server(executor="stock", **UNLIMITED))
    facts, rng = await facts_of(db, both.stock), Random(SEED)

    done = 0
    while done < N:
        count = min(PIECE, N - done) // len(CALLERS)
        from_schema = operations(count // 2, SEED + done, facts)
        for asked in (*from_schema, *(operation(rng, facts) for _ in range(count - len(from_schema)))):
            for headers in CALLERS:  # reading a document takes longer than executing it
                await both.ask(asked, headers)
        done += count * len(CALLERS)
        both.report(done)

    told = "\n\n".join(sorted(both.differences, key=len)[:SHOWN])
    assert not both.differences, f"{len(both.differences)} of {N} differ; the shortest:\n{told}"
    assert "INTERNAL_SERVER_ERROR" not in both.codes
    by_executor: Counter[str] = Counter()
    for (executor, reason), number in both.executors.items():
        by_executor[executor] += number
        assert (executor, reason) != ("completed", "none"), "a plan gave up on an operation that has no error"
    executed = both.answers["without errors"] + both.answers["with errors"]
    assert executed >= 0.9 * N
    assert sum(both.executors.values()) == executed
    assert by_executor["plan"] >= 0.5 * N
    assert by_executor["completed"]
    assert by_executor["reference"] <= 0.05 * N
