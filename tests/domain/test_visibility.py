"""Who may see a post: the rule in Python and the predicate in SQL are one rule."""

import random
from datetime import UTC, datetime

import pytest

from app import stores
from app.domain.models import Post
from app.domain.visibility import can_see

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def post(author_id, *, hidden):
    """Return a post in memory."""
    return Post(1, author_id, None, None, None, "x", NOW, None, NOW if hidden else None, 0, 0, 0)


@pytest.mark.parametrize(("viewer_id", "sees"), [(None, False), (7, True), (8, False)])
def test_a_hidden_post_is_seen_by_its_author_alone_and_another_one_by_everybody(viewer_id, sees):
    assert can_see(viewer_id, post(7, hidden=True)) is sees
    assert can_see(viewer_id, post(7, hidden=False)) is True


@pytest.mark.postgres
@pytest.mark.parametrize("seed", range(3))
async def test_python_and_sql_agree_on_every_row(db, seed):
    chance = random.Random(seed)
    people = [
        await db.fetchval("insert into users (username, name) values ($1, $1) returning id", f"user_{number}")
        for number in range(6)
    ]
    for _ in range(60):
        await db.execute(
            "insert into posts (author_id, content, hidden_at) values ($1, 'x', $2)",
            chance.choice(people),
            NOW if chance.random() < 0.5 else None,
        )
    rows = await db.fetch(f"select {stores.posts.COLUMNS} from posts p order by p.id")
    everything = [Post(*row) for row in rows]

    for viewer_id in (None, *people, 2**62):
        seen = await stores.posts.by_ids(db, [row.id for row in everything], viewer_id=viewer_id)
        assert seen == [row if can_see(viewer_id, row) else None for row in everything]
