"""Whatever people do, in any order and at the same time: counters equal rows, and the log tells each committed write once."""

import asyncio
import random

import pytest

from app import services, stores
from app.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from app.domain.events import EventType
from app.domain.models import Post
from app.domain.paging import Page
from app.infra import event_log
from app.services.posts import Draft
from tests.services.worlds import at_once, wrong_counters

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

EXPECTED_REFUSALS = (Conflict, Forbidden, InvalidInput, NotFound)  # Conflict: the same key at the same moment
STEPS = 30


class Actors:
    """People who do random things; remembers what was acknowledged."""

    def __init__(self, server, people, seed):
        self.server = server
        self.people = people
        self.chance = random.Random(seed)
        self.posts: list[int] = []
        self.written: dict[EventType, list[int]] = {type_: [] for type_ in EventType}

    async def step(self):
        """Let somebody do something."""
        verb = self.chance.choices(
            [self.write, self.answer, self.edit, self.delete, self.hide, self.like, self.unlike, self.follow, self.unfollow],
            weights=[4, 5, 2, 2, 1, 6, 3, 5, 3],
        )[0]
        ctx = await self.server.context(self.chance.choice(self.people))
        await verb(ctx)

    def some_post(self):
        """Return the id of a post that is there, was there, or never was."""
        return self.chance.choice([*self.posts, 2**62])

    def somebody(self):
        """Return the id of a person, or of nobody."""
        return self.chance.choice([*(int(person.id) for person in self.people), 2**62])

    async def write(self, ctx):
        await self.create(ctx, Draft("A post", idempotency_key=self.chance.choice([None, "a", "b"])))

    async def answer(self, ctx):
        await self.create(ctx, Draft("A reply", in_reply_to_id=self.some_post()))

    async def create(self, ctx, draft):
        post = await services.posts.create(ctx, draft)
        self.posts.append(post.id)
        if post.id not in self.written[EventType.POST_CREATED]:  # else a repeated key
            self.written[EventType.POST_CREATED].append(post.id)

    async def edit(self, ctx):
        post = await services.posts.edit(ctx, self.some_post(), content="Changed")
        self.written[EventType.POST_EDITED].append(post.id)

    async def delete(self, ctx):
        id_ = self.some_post()
        await services.posts.delete(ctx, id_)
        self.written[EventType.POST_DELETED].append(id_)

    async def hide(self, ctx):
        id_, hidden = self.some_post(), self.chance.random() < 0.5
        await services.posts.hide(ctx.db, id_, hidden=hidden)
        self.written[EventType.POST_HIDDEN if hidden else EventType.POST_EDITED].append(id_)

    async def like(self, ctx):
        await services.likes.add(ctx, self.some_post())

    async def unlike(self, ctx):
        await services.likes.remove(ctx, self.some_post())

    async def follow(self, ctx):
        await services.follows.add(ctx, self.somebody())

    async def unfollow(self, ctx):
        await services.follows.remove(ctx, self.somebody())


async def logged(server):
    """Return the whole log, once nothing waits to come into it."""
    db = server.running.resources.db
    async with asyncio.timeout(10):
        while await db.fetchval("select exists (select from outbox)"):  # noqa: ASYNC110  # only the database knows
            await asyncio.sleep(0.02)
    return await event_log.read_after(db, 0, limit=10_000)


@pytest.mark.parametrize("together", [1, 8])
@pytest.mark.parametrize("seed", range(3))
async def test_counters_equal_rows_and_the_log_equals_what_was_acknowledged(server, seed, together):
    actors = Actors(server, [await server.person() for _ in range(5)], seed)

    for _ in range(STEPS):
        results = await at_once(actors.step() for _ in range(together))
        assert all(result is None or isinstance(result, EXPECTED_REFUSALS) for result in results), results
        assert await wrong_counters(server.running.resources.db) == []

    log = await logged(server)
    for type_ in (EventType.POST_CREATED, EventType.POST_EDITED, EventType.POST_DELETED, EventType.POST_HIDDEN):
        assert sorted(event.subject_id for event in log if event.type == type_) == sorted(actors.written[type_])
    assert len(actors.written[EventType.POST_CREATED]) >= 2
    told = {event.subject_id: event.post for event in log if event.post}  # whoever keeps the newest state of each post
    deleted = set(actors.written[EventType.POST_DELETED])
    rows = await server.running.resources.db.fetch(f"select {stores.posts.COLUMNS} from posts p")
    assert {id_: post for id_, post in told.items() if id_ not in deleted} == {row["id"]: Post(*row) for row in rows}


async def test_every_list_agrees_with_its_counter_afterwards(server):
    actors = Actors(server, [await server.person() for _ in range(4)], 9)
    for _ in range(60):
        await at_once([actors.step()])
    db = server.running.resources.db
    await db.execute("update posts set hidden_at = null")

    ctx = await server.context()
    latest = await services.posts.latest(ctx, Page(100))
    for user in await services.relations.users_by_ids(ctx, [int(person.id) for person in actors.people]):
        assert user is not None
        followers = await ctx.loaders.many(services.relations.USER_FOLLOWERS, user, Page(100))
        following = await ctx.loaders.many(services.relations.USER_FOLLOWING, user, Page(100))
        assert (len(followers.rows), len(following.rows)) == (user.followers_count, user.following_count)
        assert len([post for post in latest.rows if post.author_id == user.id]) == user.posts_count
    for post in latest.rows:
        replies = await ctx.loaders.many(services.relations.POST_REPLIES, post, Page(100))
        likers = await ctx.loaders.many(services.relations.POST_LIKERS, post, Page(100))
        assert (len(replies.rows), len(likers.rows)) == (post.replies_count, post.likes_count)
