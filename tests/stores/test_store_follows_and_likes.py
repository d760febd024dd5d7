"""The follows and the likes: lists newest first with ties broken by id, and writes that say whether they changed anything."""

import pytest

from app import stores
from app.domain.errors import NotFound
from app.domain.paging import Page
from tests.stores.rows import add_post, add_users, at, costing, follow_at, like_at

pytestmark = pytest.mark.postgres


def ids(slice_):
    """Return the ids of a page's rows."""
    return [row.id for row in slice_.rows]


async def lists(db):
    """Return three lists of the people 1 to 6 around the centre 7, 1 and 6 at their own times, 2 to 5 at the same one."""
    people = await add_users(db, 7)
    post = await add_post(db, 7)
    for when, group in ((at(0), [1]), (at(1), people[1:5]), (at(2), [6])):
        await follow_at(db, [(id_, 7) for id_ in group] + [(7, id_) for id_ in group], when)
        await like_at(db, [(id_, post.id) for id_ in group], when)
    return {
        "followers": lambda page: stores.follows.followers(db, [7], page),
        "following": lambda page: stores.follows.following(db, [7], page),
        "likers": lambda page: stores.likes.likers(db, [post.id], page),
    }


@pytest.mark.parametrize("name", ["followers", "following", "likers"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 6])
async def test_equal_times_are_ordered_by_the_higher_id_and_no_page_border_loses_one(db, name, size):
    read = (await lists(db))[name]
    expected = [6, 5, 4, 3, 2, 1]

    [everything] = await read(Page(100))
    assert ids(everything) == expected
    assert [key[1] for key in everything.keys] == expected

    forward, after = list[int](), None
    while len(forward) < 6:
        [page] = await read(Page(size, after=after))
        forward, after = forward + ids(page), page.keys[-1]
        assert page.has_next == (len(forward) < 6)
    backward, before = list[int](), None
    while len(backward) < 6:
        [page] = await read(Page(size, backward=True, before=before))
        backward, before = ids(page) + backward, page.keys[0]
        assert page.has_previous == (len(backward) < 6)
    assert forward == backward == expected


@pytest.mark.parametrize("name", ["followers", "following", "likers"])
async def test_a_page_between_two_places_holds_what_lies_between(db, name):
    read = (await lists(db))[name]
    [everything] = await read(Page(100))
    [page] = await read(Page(10, after=everything.keys[1], before=everything.keys[4]))
    assert ids(page) == [4, 3]
    [nothing] = await read(Page(0))
    assert ids(nothing) == []
    assert nothing.has_next


@pytest.mark.parametrize("name", ["followers", "following", "likers"])
async def test_a_place_survives_the_row_that_it_names(db, name):
    read = (await lists(db))[name]
    [page] = await read(Page(2))
    await db.execute("delete from users where id = 5")
    [rest] = await read(Page(10, after=page.keys[-1]))
    assert ids(rest) == [4, 3, 2, 1]


async def test_following_twice_and_unfollowing_twice_say_that_nothing_changed(db):
    one, other = await add_users(db, 2)
    with costing(db, 2):
        assert await stores.follows.add(db, one, other) is True
        assert await stores.follows.add(db, one, other) is False
    assert await stores.follows.exist(db, [(one, other), (other, one)]) == [True, False]
    with costing(db, 2):
        assert await stores.follows.remove(db, one, other) is True
        assert await stores.follows.remove(db, one, other) is False
    assert await stores.follows.exist(db, [(one, other)]) == [False]


async def test_liking_twice_and_taking_back_twice_say_that_nothing_changed(db):
    [one] = await add_users(db, 1)
    post = await add_post(db, one)
    with costing(db, 2):
        assert await stores.likes.add(db, one, post.id) is True
        assert await stores.likes.add(db, one, post.id) is False
    assert await stores.likes.exist(db, one, [post.id, 404]) == [True, False]
    with costing(db, 2):
        assert await stores.likes.remove(db, one, post.id) is True
        assert await stores.likes.remove(db, one, post.id) is False


async def test_following_nobody_and_liking_nothing_is_not_found(db):
    [one] = await add_users(db, 1)
    with pytest.raises(NotFound):
        await stores.follows.add(db, one, 404)
    with pytest.raises(NotFound):
        await stores.likes.add(db, one, 404)
