"""The SQL that `feedgraph plan` tells is the SQL that is sent."""

import re

import pytest

from app.transports.graphql.explaining import explained
from app.wiring import recording_context

pytestmark = pytest.mark.postgres

OPERATIONS = [
    "query($id: ID!) { user(id: $id) { name posts(first: 2) { title author { name } replies { content } } } }",
    "query($id: ID!) { post(id: $id) { inReplyTo { content author { name } } likers { nodes { name } } } }",
    "{ viewer { name followers(first: 2) { edges { cursor node { name viewerIsFollowing } } } following { nodes { id } } } }",
    "query($n: Int) { latestPosts(first: 3, last: $n) { nodes { viewerHasLiked author { name } likers { nodes { id } } } } }",
    "{ feed(last: 3) { nodes { id author { username } } } }",
]


async def sent(db) -> set[str]:
    """Return the statements that the one connection has prepared so far; the driver's own, by which it learns types, are in
    upper case."""
    prepared = [row[0] for row in await db.fetch("select statement from pg_prepared_statements")]
    return {tidy(sql) for sql in prepared if not sql.lstrip().startswith(("SELECT", "WITH"))}


def tidy(sql: str) -> str:
    """Return a statement on one line."""
    return " ".join(sql.split())


@pytest.mark.parametrize("query", OPERATIONS)
async def test_the_sql_that_is_told_is_the_sql_that_is_sent(judge, query):
    variables = {"id": "103" if "post(" in query else "11"} if "$id" in query else {}
    ctx, recording = recording_context(judge.resources.settings, is_anonymous=False)
    operation, _ = judge.operation(query, variables, None)

    told = await explained(ctx, recording, operation, variables)
    before = await sent(judge.db)
    answer = await judge.planned(query, variables)

    assert answer.executor == "plan"
    statements = [match[1] for line in told if (match := re.match(r" *SQL: (.*)", str(line)))]
    assert statements
    assert set(statements) == await sent(judge.db) - before
