"""Writing, changing, removing and hiding posts."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from app import services
from app.domain.errors import Conflict, Forbidden, IdempotencyMismatch, InvalidInput, NotFound, Unauthenticated
from app.domain.events import EventType
from app.domain.paging import Page
from app.services.posts import Draft
from tests.services.worlds import at_once, wrong_counters

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


async def write(server, person, content="Hello", **fields):
    """Write a post as this person, in a request of its own."""
    return await services.posts.create(await server.context(person), Draft(content, **fields))


async def read(server, person, id_):
    """Read a post as this person, in a request of its own."""
    return await services.posts.find(await server.context(person), id_)


async def edit(server, person, id_, **changes):
    """Change a post as this person, in a request of its own."""
    return await services.posts.edit(await server.context(person), id_, **changes)


async def delete(server, person, id_):
    """Remove a post as this person, in a request of its own."""
    await services.posts.delete(await server.context(person), id_)


async def hide(server, id_, *, hidden=True):
    """Hide a post, or show it again."""
    await services.posts.hide(server.running.resources.db, id_, hidden=hidden)


async def events(server, count):
    """Return the log once it has so many events, as type and subject."""
    db = server.running.resources.db
    async with asyncio.timeout(10):
        while await db.fetchval("select position from event_log_head") < count:  # noqa: ASYNC110  # only the database knows
            await asyncio.sleep(0.02)
    return [(row[0], row[1]) for row in await db.fetch("select type, subject_id from event_log order by position")]


async def test_a_post_is_kept_without_the_space_around_it_and_is_read_back_by_everybody(server):
    ada = await server.person()
    post = await write(server, ada, "  Hello\nworld ", title=" A title ")

    assert (post.content, post.title, post.author_id) == ("Hello\nworld", "A title", int(ada.id))
    assert post.in_reply_to_id is post.in_reply_to_author_id is post.edited_at is None
    for reader in (None, ada, await server.person()):
        assert await read(server, reader, post.id) == post
    assert await events(server, 1) == [(EventType.POST_CREATED, post.id)]


@pytest.mark.parametrize("title", [None, "", "  \n"])
async def test_an_empty_title_is_none(server, title):
    assert (await write(server, await server.person(), title=title)).title is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("content", value) for value in ("", " ", "\u200b", "\u3164", "x" * 5_001, "a\0", "\ud800")),
        *(("title", value) for value in ("x" * 201, "a\nb", "a\0", "\ud800", "\u200b")),
        *(("idempotencyKey", value) for value in ("", "x" * 201, "a\nb", "\0", "\ud800")),
    ],
)
async def test_what_is_not_acceptable_names_its_field_and_writes_nothing(server, field, value):
    ada = await server.person()
    fields = {"idempotency_key" if field == "idempotencyKey" else field: value}
    with pytest.raises(InvalidInput) as refusal:
        await write(server, ada, **fields)
    assert refusal.value.field == field
    assert await server.running.resources.db.fetchval("select count(*) from posts") == 0


@pytest.mark.parametrize("content", ["x" * 5_000, "😀" * 5_000, "\u200fשלום\u200f", "\u202ereversed", "e\u0301"])
async def test_any_script_is_kept_as_it_is(server, content):
    ada = await server.person()
    assert (await read(server, ada, (await write(server, ada, content)).id)).content == content


async def test_a_reply_counts_and_knows_whom_it_answers(server):
    ada, bob = await server.person(), await server.person()
    post = await write(server, ada)
    reply = await write(server, bob, in_reply_to_id=post.id)

    assert (reply.in_reply_to_id, reply.in_reply_to_author_id) == (post.id, int(ada.id))
    assert (await read(server, None, post.id)).replies_count == 1
    await delete(server, bob, reply.id)
    assert (await read(server, None, post.id)).replies_count == 0
    assert await wrong_counters(server.running.resources.db) == []


async def test_replies_to_what_is_missing_deleted_or_hidden_look_alike_and_write_nothing(server):
    ada, bob = await server.person(), await server.person()
    deleted, hidden = await write(server, ada), await write(server, ada)
    await delete(server, ada, deleted.id)
    await hide(server, hidden.id)

    refusals = await at_once(write(server, bob, in_reply_to_id=id_) for id_ in (2**62, deleted.id, hidden.id))

    assert {(type(refusal), str(refusal)) for refusal in refusals} == {
        (NotFound, "There is no such post to reply to, or it is hidden from you.")
    }
    assert await wrong_counters(server.running.resources.db) == []
    assert await server.running.resources.db.fetchval("select count(*) from posts") == 1
    assert (await write(server, ada, in_reply_to_id=hidden.id)).in_reply_to_id == hidden.id


async def test_a_reply_outlives_the_post_that_it_answers(server):
    ada, bob = await server.person(), await server.person()
    post = await write(server, ada)
    reply = await write(server, bob, in_reply_to_id=post.id)
    await delete(server, ada, post.id)

    assert (await read(server, None, reply.id)).in_reply_to_id == post.id
    assert await read(server, ada, post.id) is None
    await delete(server, bob, reply.id)
    assert await wrong_counters(server.running.resources.db) == []


async def test_an_edit_changes_what_is_given(server):
    ada = await server.person()
    post = await write(server, ada, title="Title")

    changed = await edit(server, ada, post.id, content=" New ")
    assert (changed.content, changed.title) == ("New", "Title")
    changed = await edit(server, ada, post.id, title="")
    assert (changed.content, changed.title) == ("New", None)
    assert changed.edited_at is not None
    assert await read(server, None, post.id) == changed
    assert [event[0] for event in await events(server, 3)] == ["post.created", "post.edited", "post.edited"]


@pytest.mark.parametrize("changes", [{}, {"content": ""}, {"content": "x" * 5_001}, {"title": "a\nb"}, {"title": "\0"}])
async def test_an_edit_follows_the_rules_of_writing(server, changes):
    ada = await server.person()
    post = await write(server, ada)
    with pytest.raises(InvalidInput):
        await edit(server, ada, post.id, **changes)
    assert await read(server, ada, post.id) == post


async def test_only_its_author_changes_or_removes_a_post(server):
    ada, bob = await server.person(), await server.person()
    post = await write(server, ada)
    for act in (edit(server, bob, post.id, content="mine"), delete(server, bob, post.id)):
        with pytest.raises(Forbidden, match="Only its author"):
            await act
    assert await read(server, bob, post.id) == post


async def test_acting_on_a_hidden_post_looks_like_acting_on_a_missing_one(server):
    ada, bob = await server.person(), await server.person()
    post = await write(server, ada)
    await hide(server, post.id)

    for id_ in (post.id, 2**62):
        refusals = await at_once([edit(server, bob, id_, content="mine"), delete(server, bob, id_)])
        assert {(type(refusal), str(refusal)) for refusal in refusals} == {
            (NotFound, "There is no such post, or it is hidden from you.")
        }
    assert (await edit(server, ada, post.id, content="still mine")).content == "still mine"
    await delete(server, ada, post.id)
    assert await read(server, ada, post.id) is None


async def test_a_deleted_post_is_gone_with_its_likes_and_cannot_be_deleted_again(server):
    ada, bob = await server.person(), await server.person()
    post = await write(server, ada)
    await services.likes.add(await server.context(bob), post.id)

    await delete(server, ada, post.id)

    with pytest.raises(NotFound):
        await delete(server, ada, post.id)
    assert await server.running.resources.db.fetchval("select count(*) from likes") == 0
    assert await wrong_counters(server.running.resources.db) == []
    assert [event[0] for event in await events(server, 3)] == ["post.created", "post.counters", "post.deleted"]


async def test_of_deletes_at_the_same_moment_one_succeeds_and_counters_hold(server):
    ada, bob = await server.person(), await server.person()
    parent = await write(server, ada)
    post = await write(server, bob, in_reply_to_id=parent.id)

    results = await at_once(delete(server, bob, post.id) for _ in range(10))

    assert results.count(None) == 1
    assert sum(isinstance(result, NotFound) for result in results) == 9
    assert await wrong_counters(server.running.resources.db) == []


async def test_a_hidden_post_is_seen_by_its_author_alone_on_every_list_until_it_is_shown_again(server):
    ada, bob = await server.person(), await server.person()
    await services.follows.add(await server.context(bob), int(ada.id))
    post = await write(server, ada)

    async def seen_by(person):
        ctx = await server.context(person)
        lists = [await services.posts.latest(ctx, Page(10))] + ([await services.posts.home(ctx, Page(10))] if person else [])
        [node] = await services.users.nodes(ctx, [post.id])
        found = {post.id in [row.id for row in page.rows] for page in lists}
        found |= {node is not None, await services.posts.find(ctx, post.id) is not None}
        assert len(found) == 1
        return found.pop()

    await hide(server, post.id)
    assert [await seen_by(person) for person in (None, bob, ada)] == [False, False, True]
    await hide(server, post.id, hidden=False)
    assert [await seen_by(person) for person in (None, bob, ada)] == [True, True, True]
    with pytest.raises(NotFound, match=r"There is no post 404\."):
        await hide(server, 404)


async def test_everything_that_writes_and_the_home_feed_need_a_session(server):
    post = await write(server, await server.person())
    for act in (
        lambda ctx: services.posts.create(ctx, Draft("Hello")),
        lambda ctx: services.posts.edit(ctx, post.id, content="x"),
        lambda ctx: services.posts.delete(ctx, post.id),
        lambda ctx: services.posts.home(ctx, Page(1)),
        lambda ctx: services.likes.add(ctx, post.id),
        lambda ctx: services.likes.remove(ctx, post.id),
        lambda ctx: services.follows.add(ctx, post.author_id),
        lambda ctx: services.follows.remove(ctx, post.author_id),
    ):
        with pytest.raises(Unauthenticated, match="Authorization"):
            await act(await server.context())


async def test_a_request_reads_its_own_writes(server):
    ada = await server.person()
    ctx = await server.context(ada)
    before = await services.users.viewer(ctx)
    post = await services.posts.create(ctx, Draft("Hello"))
    after = await services.users.viewer(ctx)
    assert before is not None
    assert after == replace(before, posts_count=before.posts_count + 1)
    assert await services.posts.find(ctx, post.id) == post
    changed = await services.posts.edit(ctx, post.id, content="New")
    assert await services.posts.find(ctx, post.id) == changed != post
    await services.posts.delete(ctx, post.id)
    assert await services.posts.find(ctx, post.id) is None


async def test_a_repeated_request_gets_the_same_post_and_writes_no_second_one(server):
    ada = await server.person()
    parent = await write(server, ada)
    fields = {"title": "T", "in_reply_to_id": parent.id, "idempotency_key": "key"}

    first = await write(server, ada, "Hello ", **fields)
    assert await write(server, ada, "Hello", **fields) == first
    await edit(server, ada, first.id, content="Changed since")
    assert (await write(server, ada, "Hello", **fields)).content == "Changed since"

    assert (await read(server, ada, parent.id)).replies_count == 1
    assert await wrong_counters(server.running.resources.db) == []
    told = ["post.created", "post.created", "post.counters", "post.edited"]
    assert [event[0] for event in await events(server, 4)] == told


@pytest.mark.parametrize("changes", [{"content": "hello"}, {"title": "T"}, {"in_reply_to_id": 0}])
async def test_a_key_with_another_request_is_a_mismatch_and_writes_nothing(server, changes):
    ada = await server.person()
    parent = await write(server, ada)
    if "in_reply_to_id" in changes:
        changes = {"in_reply_to_id": parent.id}
    await write(server, ada, idempotency_key="key")
    with pytest.raises(IdempotencyMismatch):
        await write(server, ada, **{"content": "Hello", "idempotency_key": "key", **changes})
    assert await server.running.resources.db.fetchval("select count(*) from posts") == 2


async def test_keys_of_different_people_do_not_meet(server):
    posts = [await write(server, await server.person(), idempotency_key="key") for _ in range(2)]
    assert posts[0].id != posts[1].id


async def test_twenty_requests_with_one_key_at_once_make_one_post_and_the_others_hear_of_it(server):
    ada = await server.person()

    async def write_once():
        with suppress(Conflict):
            return await write(server, ada, idempotency_key="key")

    results = await at_once(write_once() for _ in range(20))
    later = await write(server, ada, idempotency_key="key")
    assert {post.id for post in results if post} == {later.id}
    assert await server.running.resources.db.fetchval("select count(*) from posts") == 1
    assert await wrong_counters(server.running.resources.db) == []


async def test_a_refused_request_does_not_use_its_key_up(server):
    ada = await server.person()
    with pytest.raises(NotFound):
        await write(server, ada, in_reply_to_id=404, idempotency_key="key")
    assert (await write(server, ada, idempotency_key="key")).content == "Hello"


async def test_a_key_is_free_again_after_its_time(start_server):
    server = await start_server(idempotency_ttl_s=3600)
    ada = await server.person()
    first = await write(server, ada, idempotency_key="key")
    await server.running.resources.db.execute("update idempotency_keys set created_at = now() - interval '3601 seconds'")
    second = await write(server, ada, "Something else", idempotency_key="key")
    assert second.id != first.id
    assert await write(server, ada, "Something else", idempotency_key="key") == second


async def test_repeating_a_request_whose_post_is_deleted_says_so_and_writes_nothing(server):
    ada = await server.person()
    await delete(server, ada, (await write(server, ada, idempotency_key="key")).id)
    with pytest.raises(NotFound, match="deleted since"):
        await write(server, ada, idempotency_key="key")
    assert await server.running.resources.db.fetchval("select count(*) from posts") == 0


async def test_the_author_of_a_hidden_post_repeats_the_request_and_learns_nothing_new(server):
    ada = await server.person()
    post = await write(server, ada, idempotency_key="key")
    await hide(server, post.id)
    assert (await write(server, ada, idempotency_key="key")).id == post.id
