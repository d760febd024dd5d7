"""What requests of different callers ask for at the same time comes with one statement, and shows each what they may see."""

import asyncio

import orjson
import pytest

from app.domain.shown import Leaf, Listed
from app.infra import coalescing
from app.infra.database import Counts
from app.services.lookups import ROWS_AT_ONCE, Lookups, most_at_once
from app.stores.rendering import rendering_of_things
from tests.stores.rows import add_post, add_users

pytestmark = pytest.mark.postgres

POSTS = (Listed("posts", "user.posts", (Leaf("id", "id", True, True),)),)


async def test_texts_for_many_viewers_are_one_statement(db):
    ada, ben, cem = await add_users(db, 3)
    shown, hidden = await add_post(db, ada), await add_post(db, ada, hidden=True)
    lookups, counts, rendering = Lookups(db), Counts(), rendering_of_things("user", POSTS)

    async def posts(author, viewer):
        [text] = await lookups.rendered(rendering, [author], viewer, (10,), counts)
        return text and [int(post["id"]) for post in orjson.loads(text.json)["posts"]]

    before, asked = db.statements, [(cem, None), (ben, None), (ada, None), (ada, ada), (ada, ben), (ada, ada), (404, ada)]
    found = await asyncio.gather(*(posts(*one) for one in asked))

    assert found == [[], [], [shown.id], [hidden.id, shown.id], [shown.id], [hidden.id, shown.id], None]
    assert db.statements - before == coalescing.AT_ONCE + 1
    assert counts.statements == len(asked)  # each counts the one that it waited for


async def test_lists_of_other_lengths_are_other_texts(db):
    [ada] = await add_users(db, 1)
    posts = [await add_post(db, ada) for _ in range(3)]
    lookups, rendering = Lookups(db), rendering_of_things("user", POSTS)
    answers = await asyncio.gather(*(lookups.rendered(rendering, [ada], None, (size,), Counts()) for size in (3, 1, 2, 1, 3)))
    newest = [str(post.id) for post in reversed(posts)]
    found = [[post["id"] for post in orjson.loads(text.json)["posts"]] for [text] in answers if text]
    assert found == [newest[:size] for size in (3, 1, 2, 1, 3)]


@pytest.mark.parametrize(
    ("sizes", "keys"), [((), ROWS_AT_ONCE), ((20,), 47), ((20, 3), 11), ((100, 100), 1), ((0, 0), ROWS_AT_ONCE)]
)
def test_the_larger_the_texts_the_fewer_are_asked_for_at_once(sizes, keys):
    assert most_at_once(sizes) == keys
