"""Paging through everything while others write: whatever was there all along comes exactly once, in order."""

import random
from typing import Any

import pytest

from app import stores
from app.domain.paging import Page
from tests.stores.rows import add_post, add_users, at, follow_at, like_at

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("seed", range(2)), pytest.mark.parametrize("backward", [False, True])]

ROWS = 60


async def walk(read, chance, *, backward, meanwhile):
    """Page through a list with pages of random sizes, letting `meanwhile` happen between them; return its keys in list order."""
    seen: list[Any] = []
    place = None
    while True:
        size = chance.randint(1, 9)
        page = await read(Page(size, backward, before=place) if backward else Page(size, after=place))
        assert len(page.rows) <= size
        assert list(page.keys) == sorted(page.keys, reverse=True)
        seen = [*page.keys, *seen] if backward else [*seen, *page.keys]
        if not (page.has_previous if backward else page.has_next):
            return seen
        place = page.keys[0] if backward else page.keys[-1]
        await meanwhile()


def check(seen, *, stayed, ever):
    """Require each row that stayed once, nothing twice, nothing that never was, and the list's order."""
    assert seen == sorted(set(seen), reverse=True)
    assert stayed <= set(seen) <= ever
    assert len(stayed) > ROWS // 4


async def test_posts_of_an_author_and_replies_and_the_latest(db, seed, backward):
    for which in ("author", "replies", "latest", "home"):
        await db.execute("truncate users cascade")
        await posts_while_others_write(db, random.Random(seed), which, backward=backward)


async def posts_while_others_write(db, chance, which, *, backward):
    """Page through one list of posts while posts are inserted anywhere and deleted anywhere."""
    ann, bob = await add_users(db, 2)
    await follow_at(db, [(bob, ann)], at(0))
    parent = await add_post(db, ann, id_=10_000) if which == "replies" else None
    ids = chance.sample(range(10, 1_000), ROWS)
    for id_ in ids:
        await add_post(db, ann, id_=id_, parent=parent)
    stayed, ever = set(ids), set(ids)

    async def read(page):
        if which in ("latest", "home"):
            return await (stores.posts.latest(db, page, viewer_id=bob) if which == "latest" else stores.feeds.home(db, bob, page))
        read_many = stores.posts.by_authors if which == "author" else stores.posts.replies
        return (await read_many(db, [parent.id if parent else ann], page, viewer_id=None))[0]

    async def meanwhile():
        new = chance.randrange(10, 1_000)
        if new not in ever:
            ever.add(new)
            await add_post(db, ann, id_=new, parent=parent)
        gone = chance.choice(sorted(ever))
        stayed.discard(gone)
        await stores.posts.delete(db, gone, author_id=ann)

    seen = await walk(read, chance, backward=backward, meanwhile=meanwhile)

    check([key[0] for key in seen], stayed=stayed, ever=ever)


async def test_followers_following_and_likers_with_many_equal_times(db, seed, backward):
    for which in ("followers", "following", "likers"):
        await db.execute("truncate users cascade")
        await people_while_others_write(db, random.Random(seed), which, backward=backward)


async def people_while_others_write(db, chance, which, *, backward):
    """Page through one list of people while people join and leave it anywhere; only five different times occur."""
    people = await add_users(db, 2 * ROWS + 1)
    centre = people.pop()
    read, join, leave = list_of_people(db, which, centre, await add_post(db, centre))
    chance.shuffle(people)
    newcomers, stayed = people[:ROWS], set(people[ROWS:])
    ever = set(stayed)
    for id_ in stayed:
        await join(id_, at(chance.randrange(5)))

    async def meanwhile():
        if newcomers:
            ever.add(newcomers[-1])
            await join(newcomers.pop(), at(chance.randrange(5)))
        gone = chance.choice(sorted(ever))
        stayed.discard(gone)
        await leave(gone)

    seen = await walk(read, chance, backward=backward, meanwhile=meanwhile)

    assert seen == sorted(seen, reverse=True)
    ids = [key[1] for key in seen]
    assert len(set(ids)) == len(ids)
    assert stayed <= set(ids) <= ever
    assert len(stayed) > ROWS // 4


def list_of_people(db, which, centre, post):
    """Return functions that read a page of the list, let somebody join it at a time, and let somebody leave it."""
    if which == "likers":
        return (
            lambda page: first_of(stores.likes.likers(db, [post.id], page)),
            lambda id_, time: like_at(db, [(id_, post.id)], time),
            lambda id_: stores.likes.remove(db, id_, post.id),
        )
    if which == "followers":
        return (
            lambda page: first_of(stores.follows.followers(db, [centre], page)),
            lambda id_, time: follow_at(db, [(id_, centre)], time),
            lambda id_: stores.follows.remove(db, id_, centre),
        )
    return (
        lambda page: first_of(stores.follows.following(db, [centre], page)),
        lambda id_, time: follow_at(db, [(centre, id_)], time),
        lambda id_: stores.follows.remove(db, centre, id_),
    )


async def first_of(answers):
    """Return the one answer of a read with one key."""
    return (await answers)[0]
