"""Lists as JSON: the same posts, in the same order, with the same bytes as rows would become."""

import orjson
import pytest

from app import stores
from app.domain.paging import Page
from app.domain.shown import Constant, Joined, Leaf, Listed
from app.domain.times import wire_time
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
        texts = await stores.rendering.texts(world, "user.posts", keys, [size], (*ROW, AUTHOR), viewer_id=viewer_id)

    slices = await stores.posts.by_authors(world, keys, Page(size), viewer_id=viewer_id)
    users = {user.id: user for user in await stores.users.by_ids(world, [ADA, BEN])}
    for text, page in zip(texts, slices, strict=True):
        assert text.json.encode() == orjson.dumps([row(post, users[post.author_id]) for post in page.rows])
        assert (text.length, text.lengths) == (len(page.rows), {})


@pytest.mark.parametrize("viewer_id", [None, BEN])
@pytest.mark.parametrize("sizes", [[100, 100, 100], [3, 2, 1], [2, 0, 5], [0, 1, 1]])
async def test_lists_in_its_rows_come_along_with_their_lengths(world, viewer_id, sizes):
    inner = (Listed("replies", "post.replies", (*ROW, AUTHOR)), Listed("more", "post.replies", (Leaf("id", "id", True, True),)))
    fields = (Leaf("id", "id", True, True), inner[0], AUTHOR, inner[1])
    with costing(world, 1):
        [text] = await stores.rendering.texts(world, "user.posts", [ADA], sizes, fields, viewer_id=viewer_id)

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
    assert text.length == len(expected)
    assert text.lengths == {key: [len(each[key]) for each in expected] for key in ("replies", "more")}


async def test_more_columns_than_a_function_takes_arguments(world):
    fields = tuple(Leaf(f"f{number}", "likes_count", False, True) for number in range(150))
    [text] = await stores.rendering.texts(world, "user.posts", [ADA], [1], fields, viewer_id=None)
    assert orjson.loads(text.json) == [{f"f{number}": 5 for number in range(150)}]
