"""The home feed, against an oracle that applies its rules to every post by hand."""

import random

import pytest

from app import stores
from app.domain.models import Post
from app.domain.paging import Page
from app.domain.visibility import can_see, is_in_home_feed
from tests.stores.rows import add_post, add_users, at, costing, follow_at, post_of

pytestmark = pytest.mark.postgres


def belongs(post, viewer, follows):
    """Say whether a post stands in the viewer's feed; `follows` has pairs of follower and followed."""
    if not can_see(viewer, post):
        return False
    if post.author_id == viewer:
        return True
    if (viewer, post.author_id) not in follows:
        return False
    answered = post.in_reply_to_author_id
    return answered is None or answered in (viewer, post.author_id) or (viewer, answered) in follows


async def small_world(db, chance):
    """Make a random world; return its people, posts (newest first) and follows."""
    people = await add_users(db, chance.randint(1, 6))
    follows = {(a, b) for a in people for b in people if a != b and chance.random() < 0.4}
    await follow_at(db, sorted(follows), at(0))
    posts: list[Post] = []
    for _ in range(chance.randint(0, 40)):
        parent = chance.choice(posts) if posts and chance.random() < 0.6 else None
        posts.append(await add_post(db, chance.choice(people), parent=parent, hidden=chance.random() < 0.2))
    gone = chance.sample(posts, len(posts) // 8)  # replies to what is gone keep their rule
    for post in gone:
        await stores.posts.delete(db, post.id, author_id=post.author_id)
    kept = [await post_of(db, post.id) for post in posts if post not in gone]
    return people, sorted(kept, key=lambda post: post.id, reverse=True), follows


@pytest.mark.parametrize("seed", range(15))
async def test_every_feed_holds_what_the_rules_say_in_pages_of_any_size(db, seed):
    chance = random.Random(seed)
    people, posts, follows = await small_world(db, chance)

    for viewer in people:
        expected = [post for post in posts if belongs(post, viewer, follows)]
        with costing(db, 1):
            whole = await stores.feeds.home(db, viewer, Page(100))
        assert list(whole.rows) == expected
        for backward in (False, True):
            assert await paged(db, viewer, chance.randint(1, 7), backward=backward) == expected


async def paged(db, viewer, size, *, backward):
    """Return a feed read page by page, in its order."""
    rows: list[Post] = []
    place = None
    while True:
        page = await stores.feeds.home(db, viewer, Page(size, backward, before=place) if backward else Page(size, after=place))
        rows = [*page.rows, *rows] if backward else [*rows, *page.rows]
        if not (page.has_previous if backward else page.has_next):
            return rows
        assert len(page.rows) == size
        place = page.keys[0] if backward else page.keys[-1]


async def test_each_rule_by_name(db):
    me, friend, friends_friend, stranger = await add_users(db, 4)
    await follow_at(db, [(me, friend), (me, friends_friend), (friend, stranger), (stranger, me)], at(0))
    mine = await add_post(db, me, content="my post")
    friends = await add_post(db, friend, content="a friend's post")
    others = await add_post(db, friends_friend, content="another friend's post")
    strange = await add_post(db, stranger, content="a stranger's post")
    await add_post(db, me, parent=strange, content="my reply to a stranger")
    await add_post(db, friend, parent=mine, content="a friend's reply to me")
    await add_post(db, friend, parent=others, content="a friend's reply to a friend")
    await add_post(db, friend, parent=friends, content="a friend's reply to themselves")
    await add_post(db, friend, parent=strange, content="a friend's reply to a stranger")
    await add_post(db, stranger, parent=mine, content="a stranger's reply to me")
    await add_post(db, friend, hidden=True, content="a friend's hidden post")
    await add_post(db, me, hidden=True, content="my hidden post")

    feed = await stores.feeds.home(db, me, Page(100))

    assert [post.content for post in feed.rows] == [
        "my hidden post",
        "a friend's reply to themselves",
        "a friend's reply to a friend",
        "a friend's reply to me",
        "my reply to a stranger",
        "another friend's post",
        "a friend's post",
        "my post",
    ]


async def test_one_author_with_many_posts_fills_pages_without_pushing_others_out(db):
    me, loud, calm = await add_users(db, 3)
    await follow_at(db, [(me, loud), (me, calm)], at(0))
    await add_post(db, calm, id_=100)
    for number in range(101, 151):
        await add_post(db, loud, id_=number)
    await add_post(db, calm, id_=151)

    assert [post.id for post in await paged(db, me, 7, backward=False)] == list(range(151, 99, -1))


@pytest.mark.parametrize("seed", range(5))
async def test_python_and_sql_agree_on_whose_feed_a_post_is_in(db, seed):
    people, posts, _ = await small_world(db, random.Random(seed))
    for viewer in people:
        with costing(db, 1):
            followed = await stores.follows.all_followed(db, viewer)
        for post in posts:
            is_in = can_see(viewer, post) and is_in_home_feed(viewer, followed, post)
            assert (viewer in await stores.feeds.readers(db, post.id, [viewer])) is is_in
