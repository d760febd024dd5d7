"""The batch contract of the stores' reads: many keys are answered as each alone would be, in their order, with one statement."""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from app import stores
from app.domain.models import Post
from app.domain.paging import Page
from tests.stores.rows import add_media, add_post, add_users, at, costing, follow_at, like_at

pytestmark = pytest.mark.postgres

UNKNOWN = 2**62
VIEWER = 3

READS: dict[str, Callable[..., Awaitable[Sequence[Any]]]] = {
    "users.by_ids": stores.users.by_ids,
    "users.by_usernames": lambda db, keys: stores.users.by_usernames(db, [f"user_{key}" for key in keys]),
    "posts.by_ids": lambda db, keys: stores.posts.by_ids(db, keys, viewer_id=VIEWER),
    "posts.by_authors": lambda db, keys: stores.posts.by_authors(db, keys, Page(3), viewer_id=VIEWER),
    "posts.by_authors, backward": lambda db, keys: stores.posts.by_authors(db, keys, Page(3, backward=True), viewer_id=VIEWER),
    "posts.replies": lambda db, keys: stores.posts.replies(db, keys, Page(2), viewer_id=None),
    "posts.replies after a place": lambda db, keys: stores.posts.replies(db, keys, Page(2, after=(130,)), viewer_id=None),
    "follows.followers": lambda db, keys: stores.follows.followers(db, keys, Page(2)),
    "follows.following": lambda db, keys: stores.follows.following(db, keys, Page(2, backward=True)),
    "likes.likers": lambda db, keys: stores.likes.likers(db, keys, Page(2)),
    "follows.exist": lambda db, keys: stores.follows.exist(db, [(VIEWER, key) for key in keys]),
    "likes.exist": lambda db, keys: stores.likes.exist(db, VIEWER, keys),
    "media.by_ids": lambda db, keys: stores.media.by_ids(db, keys, viewer_id=VIEWER),
    "media.of_posts": stores.media.of_posts,
    "nodes.by_ids": lambda db, keys: stores.nodes.by_ids(db, keys, viewer_id=VIEWER),
}


@pytest.fixture
async def world(db):
    """Eight people, some forty posts and replies (the fourth of each hidden), follows and likes; return all ids."""
    people = await add_users(db, 8)
    chance = random.Random(5)
    posts: list[Post] = []
    for number in range(40):
        parent = chance.choice(posts) if posts and chance.random() < 0.5 else None
        posts.append(await add_post(db, chance.choice(people), id_=100 + number, parent=parent, hidden=number % 4 == 3))
    pairs = [(a, b) for a in people for b in people if a != b and chance.random() < 0.5]
    await follow_at(db, pairs, at(0))
    await like_at(db, [(user, post.id) for user in people for post in posts if chance.random() < 0.4], at(0))
    images = [await add_media(db, post, number) for post in posts[::3] for number in (2, 1)]
    return people + [post.id for post in posts] + images


@pytest.mark.parametrize("name", READS)
async def test_many_keys_are_answered_in_order_as_each_alone_with_one_statement(db, world, name):
    read = READS[name]
    chance = random.Random(name)
    keys = [*chance.choices(world, k=30), UNKNOWN, *world[:2], UNKNOWN]

    with costing(db, 1):
        answers = await read(db, keys)

    assert len(answers) == len(keys)
    alone = [(await read(db, [key]))[0] for key in keys]
    assert list(answers) == alone
    assert [getattr(answer, "keys", None) for answer in answers] == [getattr(answer, "keys", None) for answer in alone]
    assert len({repr(answer) for answer in answers}) > 1


@pytest.mark.parametrize("name", READS)
async def test_no_keys_give_no_answers(db, name):
    with costing(db, 1):
        assert list(await READS[name](db, [])) == []


@pytest.mark.parametrize("name", ["users.by_ids", "posts.by_ids", "nodes.by_ids", "users.by_usernames"])
async def test_a_missing_thing_is_none_at_its_place(db, world, name):
    keys = [UNKNOWN, 105, UNKNOWN] if name == "posts.by_ids" else [UNKNOWN, 5, UNKNOWN]

    answers = await READS[name](db, keys)

    assert answers[0] is answers[2] is None
    assert answers[1] is not None


async def test_nodes_finds_people_and_posts_among_each_other_and_hides_what_is_hidden(db, world):
    rows = await db.fetch(
        """
        with h as (select id from posts where hidden_at is not null and author_id <> $1)
        select id from h union all select m.id from media m join h on m.post_id = h.id
        """,
        VIEWER,
    )
    hidden = [row["id"] for row in rows]

    answers = await stores.nodes.by_ids(db, world, viewer_id=VIEWER)

    assert [answer.id if answer else None for answer in answers] == [None if id_ in hidden else id_ for id_ in world]
    assert hidden
