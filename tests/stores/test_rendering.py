"""Things and lists as JSON: the same rows, in the same order, with the same bytes as they would become by way of Python."""

from typing import Any

import orjson
import pytest

from app import stores
from app.domain.paging import Page
from app.domain.shown import Constant, Joined, Leaf, Listed, Rows
from app.domain.times import wire_time
from app.stores.rendering import rendering_of_lists, rendering_of_things
from tests.stores.rows import costing

pytestmark = pytest.mark.postgres

ADA, BEN = 1, 2
ODD = '"quotes" \\ back / slash \b\f\n\r\t \u001f \u007f \u2028 é 😀 </script> \' $1 %s {}'

AUTHOR = Joined(
    "author", "author", (Leaf("id", "id", True, True), Constant("__typename", "User"), Leaf("bio", "bio", False, False))
)
ROW = (
    Leaf("id", "id", True, True),
    Leaf("title", "title", False, False),
    Leaf("text", "content", False, True),
    Leaf("at", "created_at", False, True),
    Leaf("editedAt", "edited_at", False, False),
    Leaf("inReplyToId", "in_reply_to_id", True, False),
    Leaf("likesCount", "likes_count", False, True),
)


@pytest.fixture
async def world(db):
    """Ada's posts, one hidden and one odd; Ben's replies to them."""
    await db.execute(
        """
        insert into users (id, username, name, bio) values (1, 'ada', 'Ada', null), (2, 'ben', 'Ben', 'Hi');
        insert into posts (id, author_id, content, created_at, likes_count)
            select 100 + n, 1, 'Post ' || n, '2026-01-02T03:04:05Z'::timestamptz + n * interval '1 millisecond', n
            from generate_series(0, 5) n;
        insert into posts (id, author_id, content, in_reply_to_id, in_reply_to_author_id)
            select 200 + n, 2, 'Reply ' || n, 100 + n % 3, 1 from generate_series(1, 9) n;
        update posts set hidden_at = now() where id in (104, 203);
        update posts set edited_at = '0999-12-31T23:59:59.999Z' where id = 103
        """
    )
    odd = db.fetch("update posts set title = $1, content = $1 where id = 105 returning id", ODD)
    assert await odd
    return db


async def texts(db, *wanted) -> list[Any]:
    """Return what is written for some keys."""
    return await stores.rendering.texts(db, *wanted)


def posts_with(*fields):
    """Return how somebody's posts are written, of which these fields are shown."""
    return rendering_of_lists("user.posts", Listed("posts", "user.posts", fields))


def row(post, author) -> dict[str, object]:
    """Return what ROW and AUTHOR show of a post."""
    return {
        "id": str(post.id),
        "title": post.title,
        "text": post.content,
        "at": wire_time(post.created_at),
        "editedAt": post.edited_at and wire_time(post.edited_at),
        "inReplyToId": post.in_reply_to_id and str(post.in_reply_to_id),
        "likesCount": post.likes_count,
        "author": {"id": str(author.id), "__typename": "User", "bio": author.bio},
    }


@pytest.mark.parametrize("viewer_id", [None, ADA, BEN])
@pytest.mark.parametrize("size", [0, 2, 100])
async def test_a_list_is_what_its_rows_would_become(world, viewer_id, size):
    keys = [BEN, ADA, 2**62]
    with costing(world, 1):
        found = await texts(world, posts_with(*ROW, AUTHOR), keys, [viewer_id] * 3, [size])

    slices = await stores.posts.by_authors(world, keys, Page(size), viewer_id=viewer_id)
    users = {user.id: user for user in await stores.users.by_ids(world, [ADA, BEN])}
    for text, page in zip(found, slices, strict=True):
        assert text.json.encode() == orjson.dumps([row(post, users[post.author_id]) for post in page.rows])
        assert text.numbers == (len(page.rows),)


async def test_each_key_is_written_as_its_own_viewer_may_see_it(world):
    viewers = [None, ADA, BEN]
    ids = posts_with(Leaf("id", "id", True, True))
    together = await texts(world, ids, [ADA] * 3, viewers, [100])
    assert together == [text for viewer in viewers for text in await texts(world, ids, [ADA], [viewer], [100])]
    assert [text.numbers for text in together] == [(5,), (6,), (5,)]


@pytest.mark.parametrize("viewer_id", [None, BEN])
@pytest.mark.parametrize("sizes", [[100, 100, 100], [3, 2, 1], [2, 0, 5], [0, 1, 1]])
async def test_lists_in_its_rows_come_along_with_their_lengths(world, viewer_id, sizes):
    inner = (Listed("replies", "post.replies", (*ROW, AUTHOR)), Listed("more", "post.replies", (Leaf("id", "id", True, True),)))
    fields = (Leaf("id", "id", True, True), inner[0], AUTHOR, inner[1])
    with costing(world, 1):
        [text] = await texts(world, posts_with(*fields), [ADA], [viewer_id], sizes)

    users = {user.id: user for user in await stores.users.by_ids(world, [ADA, BEN])}
    [posts] = await stores.posts.by_authors(world, [ADA], Page(sizes[0]), viewer_id=viewer_id)
    ids = [post.id for post in posts.rows]
    first, second = [
        (await stores.posts.replies(world, ids, Page(size), viewer_id=viewer_id)) if ids else [] for size in sizes[1:]
    ]
    expected = [
        {
            "id": str(post.id),
            "replies": [row(reply, users[reply.author_id]) for reply in replies.rows],
            "author": {"id": "1", "__typename": "User", "bio": None},
            "more": [{"id": str(reply.id)} for reply in more.rows],
        }
        for post, replies, more in zip(posts.rows, first, second, strict=True)
    ]
    assert text.json.encode() == orjson.dumps(expected)
    assert text.numbers == (len(expected), *([len(each[key]) for each in expected] for key in ("replies", "more")))


@pytest.mark.parametrize("viewer_id", [None, ADA])
async def test_a_thing_comes_with_its_lists(world, viewer_id):
    fields = (
        Leaf("id", "id", True, True),
        Listed("posts", "user.posts", (Listed("replies", "post.replies", (Leaf("text", "content", False, True),)),)),
        Leaf("bio", "bio", False, False),
        Listed("more", "user.posts", (Leaf("id", "id", True, True),)),
    )
    by_id, by_name = rendering_of_things("user", fields), rendering_of_things("userByName", fields)
    with costing(world, 1):
        [ben, nobody, ada] = await texts(world, by_id, [BEN, 2**62, ADA], [viewer_id] * 3, [9, 1, 9])
    assert [ada] == await texts(world, by_name, ["ada"], [viewer_id], [9, 1, 9])
    assert nobody is None
    assert (ben.json, ben.numbers) == ('{"id":"2","posts":[],"bio":"Hi","more":[]}', (0, [], 0))
    ids = [id_ for id_ in (105, 104, 103, 102, 101, 100) if viewer_id == ADA or id_ != 104]
    replies = {102: [{"text": "Reply 8"}], 101: [{"text": "Reply 7"}], 100: [{"text": "Reply 9"}]}
    assert orjson.loads(ada.json) == {
        "id": "1",
        "posts": [{"replies": replies.get(id_, [])} for id_ in ids],
        "bio": None,
        "more": [{"id": str(id_)} for id_ in ids],
    }
    assert ada.numbers == (len(ids), [len(replies.get(id_, [])) for id_ in ids], len(ids))


async def test_a_post_that_is_hidden_from_the_viewer_is_nothing(world):
    post = rendering_of_things("post", (Leaf("id", "id", True, True), AUTHOR))
    found = await texts(world, post, [104, 104, 104, 105, 99], [None, ADA, BEN, None, None], [])
    assert [text and orjson.loads(text.json)["id"] for text in found] == [None, "104", None, "105", None]


@pytest.mark.parametrize("around", [(Rows("n"),), (Rows("n"), Constant("t", "C")), (Constant("t", "C"), Rows("n"))])
async def test_people_come_as_a_connection_shows_them(world, around):
    await world.execute(
        """
        insert into users (id, username, name) values (3, 'cem', 'Cem');
        insert into follows (follower_id, followee_id, created_at) values
            (2, 1, '2026-01-01'), (3, 1, '2026-01-01'), (1, 3, '2026-01-01'), (1, 2, '2026-01-02');
        insert into likes (user_id, post_id, created_at) values (1, 100, '2026-01-02'), (2, 100, '2026-01-01')
        """
    )
    name = (Leaf("u", "username", False, True),)
    for relation, key, people in [
        ("user.followers", ADA, ["cem", "ben"]),
        ("user.following", ADA, ["ben", "cem"]),
        ("post.likers", 100, ["ada", "ben"]),
    ]:
        [text] = await texts(world, rendering_of_lists(relation, Listed("l", relation, name, around)), [key], [None], [5])
        shown = [("n", [{"u": person} for person in people]) if isinstance(part, Rows) else ("t", "C") for part in around]
        assert text.json.encode() == orjson.dumps(dict(shown))
        assert text.numbers == (2,)


async def test_a_joined_thing_of_which_nothing_is_shown_is_an_empty_object(world):
    [text] = await texts(world, posts_with(Joined("author", "author", ()), ROW[0]), [ADA], [None], [1])
    assert text.json == '[{"author":{},"id":"105"}]'


async def test_more_columns_than_a_function_takes_arguments(world):
    fields = tuple(Leaf(f"f{number}", "likes_count", False, True) for number in range(150))
    [text] = await texts(world, posts_with(*fields), [ADA], [None], [1])
    assert orjson.loads(text.json) == [{f"f{number}": 5 for number in range(150)}]
