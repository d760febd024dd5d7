"""The posts table: what each function changes and what it costs."""

import asyncio
from dataclasses import replace

import pytest

from app import stores
from app.domain.errors import NotFound
from app.domain.models import UNCHANGED
from app.domain.paging import Page
from tests.stores.rows import add_post, add_users, costing, like_at, post_of
from tests.stores.rows import at as time

pytestmark = pytest.mark.postgres


async def test_an_inserted_post_is_what_was_given_at_a_whole_millisecond(db):
    [author] = await add_users(db, 1)
    with costing(db, 1):
        id_ = await stores.posts.new_id(db)
    with costing(db, 1):
        post = await stores.posts.insert(db, id_=id_, author_id=author, content="Hello", title="T", parent=(77, 1))

    assert (post.id, post.author_id, post.content, post.title) == (id_, author, "Hello", "T")
    assert (post.in_reply_to_id, post.in_reply_to_author_id) == (77, 1)
    assert (post.likes_count, post.replies_count, post.reposts_count) == (0, 0, 0)
    assert post.edited_at is post.hidden_at is None
    assert post.created_at.microsecond % 1000 == 0
    assert post == await post_of(db, id_)


async def test_the_post_of_an_unknown_author_is_not_found(db):
    with pytest.raises(NotFound):
        await stores.posts.insert(db, id_=1, author_id=404, content="x", title=None, parent=None)


async def test_ids_are_unique_and_rise_with_time_also_across_connections(db):
    rounds = [await asyncio.gather(*(stores.posts.new_id(db) for _ in range(20))) for _ in range(20)]

    ids = [id_ for round_ in rounds for id_ in round_]
    assert len(set(ids)) == len(ids)
    assert [id_ >> 22 for id_ in map(min, rounds)] == sorted(id_ >> 22 for id_ in map(min, rounds))
    assert 0 < min(ids) <= max(ids) < 2**63


async def test_top_posts_replies_and_the_latest_are_three_lists_newest_first(db):
    ann, bob = await add_users(db, 2)
    first = await add_post(db, ann, id_=101)
    second = await add_post(db, ann, id_=102)
    reply = await add_post(db, bob, id_=103, parent=first)
    hidden = await add_post(db, bob, id_=104, parent=first, hidden=True)
    page = Page(10)

    with costing(db, 1):
        [of_ann, of_bob] = await stores.posts.by_authors(db, [ann, bob], page, viewer_id=None)
    with costing(db, 1):
        [to_first] = await stores.posts.replies(db, [first.id], page, viewer_id=None)
    with costing(db, 1):
        latest = await stores.posts.latest(db, page, viewer_id=None)

    assert [post.id for post in of_ann.rows] == [second.id, first.id]
    assert list(of_bob.rows) == []
    assert [post.id for post in to_first.rows] == [reply.id]
    assert [post.id for post in latest.rows] == [reply.id, second.id, first.id]
    [seen_by_bob] = await stores.posts.replies(db, [first.id], page, viewer_id=bob)
    assert [post.id for post in seen_by_bob.rows] == [hidden.id, reply.id]
    assert [post.id for post in (await stores.posts.latest(db, page, viewer_id=bob)).rows] == [104, 103, 102, 101]


async def test_hidden_rows_do_not_shorten_a_page(db):
    [ann] = await add_users(db, 1)
    for number in range(101, 121):
        await add_post(db, ann, id_=number, hidden=number % 2 == 0)

    [page] = await stores.posts.by_authors(db, [ann], Page(4), viewer_id=None)

    assert [post.id for post in page.rows] == [119, 117, 115, 113]
    assert page.has_next


async def test_counting_a_reply_gives_the_post_that_the_viewer_may_see(db):
    ann, bob = await add_users(db, 2)
    seen, hidden = await add_post(db, ann), await add_post(db, ann, hidden=True)

    with costing(db, 1):
        assert await stores.posts.add_reply_to(db, seen.id, viewer_id=bob) == replace(seen, replies_count=1)
    with costing(db, 2):
        assert await stores.posts.add_reply_to(db, hidden.id, viewer_id=bob) is None
        assert await stores.posts.add_reply_to(db, 404, viewer_id=bob) is None
    assert await stores.posts.add_reply_to(db, hidden.id, viewer_id=ann) == replace(hidden, replies_count=1)

    assert [(await post_of(db, id_)).replies_count for id_ in (seen.id, hidden.id)] == [1, 1]
    with costing(db, 2):
        assert await stores.posts.remove_reply_from(db, seen.id) == seen
        assert await stores.posts.remove_reply_from(db, 404) is None
    assert (await post_of(db, seen.id)).replies_count == 0


async def test_the_likes_counter_changes_by_what_is_given(db):
    [ann] = await add_users(db, 1)
    post = await add_post(db, ann)
    with costing(db, 2):
        await stores.posts.add_to_likes_count(db, post.id, 3)
        await stores.posts.add_to_likes_count(db, post.id, -1)
    assert (await post_of(db, post.id)).likes_count == 2


@pytest.mark.parametrize(
    ("content", "title", "expected"),
    [
        (UNCHANGED, "New", ("old", "New")),
        ("new", UNCHANGED, ("new", "Old")),
        ("new", None, ("new", None)),
        ("n", "N", ("n", "N")),
    ],
)
async def test_an_update_changes_what_is_given_and_leaves_the_rest(db, content, title, expected):
    ann, bob = await add_users(db, 2)
    id_ = await stores.posts.new_id(db)
    await stores.posts.insert(db, id_=id_, author_id=ann, content="old", title="Old", parent=None)

    with costing(db, 2):
        assert await stores.posts.update(db, id_, author_id=bob, content=content, title=title) is None
        post = await stores.posts.update(db, id_, author_id=ann, content=content, title=title)

    assert post == await post_of(db, id_)
    assert (post.content, post.title) == expected
    assert post.edited_at is not None
    assert post.edited_at >= post.created_at


async def test_only_its_author_deletes_a_post_and_its_likes_go_with_it(db):
    ann, bob = await add_users(db, 2)
    post, kept = await add_post(db, ann), await add_post(db, ann)
    reply = await add_post(db, bob, parent=post)
    await like_at(db, [(bob, post.id), (ann, post.id), (bob, kept.id)], time(0))

    with costing(db, 2):
        assert await stores.posts.delete(db, post.id, author_id=bob) is None
        assert await stores.posts.delete(db, post.id, author_id=ann) == post

    assert await db.fetchval("select array_agg(post_id) from likes") == [kept.id]
    assert (await post_of(db, reply.id)).in_reply_to_id == post.id
    assert await stores.posts.delete(db, post.id, author_id=ann) is None


async def test_hiding_keeps_its_first_time_and_showing_forgets_it(db):
    [ann] = await add_users(db, 1)
    post = await add_post(db, ann)

    with costing(db, 2):
        assert await stores.posts.set_hidden(db, post.id, hidden=True)
        assert not await stores.posts.set_hidden(db, 404, hidden=True)
    first = (await post_of(db, post.id)).hidden_at
    assert first is not None
    await stores.posts.set_hidden(db, post.id, hidden=True)
    assert (await post_of(db, post.id)).hidden_at == first
    await stores.posts.set_hidden(db, post.id, hidden=False)
    assert (await post_of(db, post.id)).hidden_at is None
