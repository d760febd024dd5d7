"""Every write leaves the events that tell of it, in its own transaction, with the post as it was then."""

import pytest

from app import services
from app.domain.errors import NotFound
from app.domain.events import Event, EventType
from app.domain.models import Post
from app.infra import event_log
from app.services.posts import Draft
from tests.clients import Person, TestServer
from tests.live.nodes import until

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


async def do(person: Person, verb, *args, **kwargs):
    """Do something as this person, in a request of its own."""
    return await verb(await person.server.context(person), *args, **kwargs)


async def told(server: TestServer, number: int) -> list[Event]:
    """Return the newest events, so many of them, once nothing waits in the outbox."""
    resources = server.running.resources
    while await resources.db.fetchval("select exists (select from outbox)"):
        resources.relay.wake()
    head = await event_log.head(resources.db)
    await until(lambda: resources.tail.cursor == head)
    events = await event_log.read_after(resources.db, head.position - number)
    assert resources.tail.after(type(head)(head.epoch, head.position - number)) == events  # by whatever way they came
    return events


def brief(event: Event):
    """Return what matters of an event about a post."""
    assert event.post is not None
    assert event.topics == ("posts", f"author:{event.post.author_id}", f"post:{event.post.id}")
    assert event.subject_id == event.post.id
    return event.type, event.post.id, event.post.likes_count, event.post.replies_count


async def test_events_carry_the_post_as_it_was(server: TestServer) -> None:
    ana, bob = await server.person(), await server.person()
    post: Post = await do(ana, services.posts.create, Draft("One", title="Title"))
    await do(bob, services.likes.add, post.id)
    edited = await do(ana, services.posts.edit, post.id, content="Two")
    await do(bob, services.likes.remove, post.id)

    created, liked, changed, unliked = await told(server, 4)
    assert created.post == post
    assert (changed.type, changed.post) == (EventType.POST_EDITED, edited)
    assert [brief(event) for event in (created, liked, unliked)] == [
        (EventType.POST_CREATED, post.id, 0, 0),
        (EventType.POST_COUNTERS, post.id, 1, 0),
        (EventType.POST_COUNTERS, post.id, 0, 0),
    ]


async def test_a_reply_and_its_end_count_at_the_post_that_it_answers(server: TestServer) -> None:
    ana, bob = await server.person(), await server.person()
    post = await do(ana, services.posts.create, Draft("One"))
    reply = await do(bob, services.posts.create, Draft("Two", in_reply_to_id=post.id))
    await do(bob, services.posts.delete, reply.id)

    assert [brief(event) for event in await told(server, 5)] == [
        (EventType.POST_CREATED, post.id, 0, 0),
        (EventType.POST_CREATED, reply.id, 0, 0),
        (EventType.POST_COUNTERS, post.id, 0, 1),
        (EventType.POST_DELETED, reply.id, 0, 0),
        (EventType.POST_COUNTERS, post.id, 0, 0),
    ]
    assert [event.post.content for event in await told(server, 2) if event.post] == ["", "One"]  # what is deleted is not kept


async def test_a_moderator_is_heard_too(server: TestServer) -> None:
    ana, db = await server.person(), server.running.resources.db
    post = await do(ana, services.posts.create, Draft("One"))
    await services.posts.hide(db, post.id, hidden=True)
    await services.posts.hide(db, post.id, hidden=False)
    with pytest.raises(NotFound):
        await services.posts.hide(db, 404, hidden=True)

    _, hidden, shown = await told(server, 3)
    assert [hidden.type, shown.type] == [EventType.POST_HIDDEN, EventType.POST_EDITED]
    assert hidden.post is not None
    assert hidden.post.hidden_at is not None
    assert shown.post == post


async def test_follows_change_both_people_and_what_changes_nothing_says_nothing(server: TestServer) -> None:
    ana, bob = await server.person(), await server.person()
    post = await do(ana, services.posts.create, Draft("One"))
    for _ in range(2):
        await do(bob, services.follows.add, int(ana.id))
        await do(bob, services.likes.add, post.id)
    for _ in range(2):
        await do(bob, services.follows.remove, int(ana.id))
        await do(bob, services.likes.remove, post.id)

    events = await told(server, 7)
    assert [(event.type, event.subject_id) for event in events] == [
        (EventType.POST_CREATED, post.id),
        (EventType.USER_CHANGED, int(bob.id)),
        (EventType.USER_CHANGED, int(ana.id)),
        (EventType.POST_COUNTERS, post.id),
        (EventType.USER_CHANGED, int(bob.id)),
        (EventType.USER_CHANGED, int(ana.id)),
        (EventType.POST_COUNTERS, post.id),
    ]
    assert {event.topics for event in events if event.post is None} == {(f"user:{person.id}",) for person in (ana, bob)}
    assert events[0].position == 1


async def test_an_event_of_another_version_without_its_post_or_with_other_columns_is_read(server: TestServer) -> None:
    db = server.running.resources.db
    sql = "insert into outbox (type, topics, subject_id, post) values ('post.created', '{posts}', 5, $1::jsonb)"
    await db.execute("insert into outbox (type, topics, subject_id) values ('post.created', '{posts}', 4)")
    await db.execute(sql, '{"id": 5, "author_id": 1}')
    assert [(event.subject_id, event.post) for event in await told(server, 2)] == [(4, None), (5, None)]
