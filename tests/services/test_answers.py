"""The cache of whole answers: what events throw away, what is never kept, how much fits, and one leader at a time."""

import asyncio
from datetime import UTC, datetime

import pytest

from app.domain.events import Event, EventCursor, EventType, about_post, about_user
from app.domain.models import Post
from app.infra.event_log import Tail
from app.services.answers import ENTRY_BYTES, LARGEST_SHARE, TAG_BYTES, Answers
from app.services.reads import LATEST_POSTS, Reads

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MIB = 1024 * 1024


def post(id_=7, author_id=3, parent=None) -> Post:
    """Return a post."""
    return Post(id_, author_id, parent, parent and 9, None, "text", NOW, None, None, 0, 0, 0)


@pytest.fixture
def tail() -> Tail:
    """A tail that knows that it is at the head of a log."""
    tail = Tail(None, poll_s=1, hears_redis=lambda: True)  # type: ignore[arg-type]  # nothing reads from the database
    tail.cursor = EventCursor(1, 10)
    tail.announce(tail.cursor)
    return tail


@pytest.fixture
def answers(tail: Tail) -> Answers[str]:
    """An empty cache."""
    return Answers(tail, max_bytes=MIB)


def hear(tail: Tail, *news) -> None:
    """Let events reach the tail."""
    start = tail.cursor.position + 1
    events = [Event(start + n, new.type, NOW, new.topics, new.subject_id, new.post) for n, new in enumerate(news)]
    tail.receive(tail.cursor.epoch, events)


def keep(answers: Answers[str], tail: Tail, key: str, *tags: str, size=100, max_age_s=60.0, since=None) -> bool:
    """Keep the key's name as its answer."""
    return answers.put(key, key, size=size, tags=tags, max_age_s=max_age_s, since=since or tail.cursor)


@pytest.mark.parametrize(
    ("event", "stale"),
    [
        (about_post(EventType.POST_CREATED, post()), {"Post:7", "User:3", "User:3:posts", LATEST_POSTS}),
        (
            about_post(EventType.POST_CREATED, post(parent=5)),
            {"Post:7", "Post:5", "Post:5:replies", "User:3", "User:3:posts", LATEST_POSTS},
        ),
        (about_post(EventType.POST_COUNTERS, post()), {"Post:7", "Post:7:replies", "Post:7:likers"}),
        (about_user(EventType.USER_CHANGED, 3), {"User:3", "User:3:followers", "User:3:following"}),
    ],
)
def test_an_event_throws_away_what_it_makes_stale_and_nothing_else(answers, tail, event, stale):
    others = {"Post:70", "User:30", "Post:8:likers", "User:4:posts"}
    for tag in stale | others:
        keep(answers, tail, f"with {tag}", tag, "User:1")

    hear(tail, event)

    assert {tag for tag in stale | others if answers.get(f"with {tag}")} == others
    assert answers.purges == len(stale)


@pytest.mark.parametrize("type_", [EventType.POST_EDITED, EventType.POST_DELETED, EventType.POST_HIDDEN])
def test_whatever_happens_to_a_post_reaches_itself_its_lists_and_its_author(answers, tail, type_):
    tags = ("Post:7", "Post:7:likers", "User:3:posts", LATEST_POSTS, "Post:5:replies")
    for tag in tags:
        keep(answers, tail, tag, tag)

    hear(tail, about_post(type_, post(parent=5)))

    assert not any(answers.get(tag) for tag in tags)


@pytest.mark.parametrize(
    "event",
    [
        about_user(EventType.USER_DELETED, 3),
        Event(11, "post.painted", NOW, ("posts",), 7),  # of a newer version of the server
        Event(11, EventType.POST_EDITED, NOW, ("post:7",), 7),  # of a version whose posts have other columns
    ],
)
def test_an_event_that_can_mean_anything_throws_away_all(answers, tail, event):
    keep(answers, tail, "a", "User:1")
    tail.receive(1, [Event(11, event.type, NOW, event.topics, event.subject_id)])

    assert answers.get("a") is None
    assert (len(answers), answers.bytes) == (0, 0)


def test_the_end_of_a_session_changes_no_answer(answers, tail):
    keep(answers, tail, "a", "User:1")
    tail.receive(1, [Event(11, EventType.SESSION_REVOKED, NOW, ("session:1",), 1)])

    assert answers.get("a")


@pytest.mark.parametrize("cursor", [EventCursor(2, 10), EventCursor(1, 9), EventCursor(1, 30_000)])
def test_another_life_of_the_log_a_log_turned_back_and_a_gap_throw_away_all(answers, tail, cursor):
    keep(answers, tail, "a", "User:1")
    before = tail.cursor
    tail._start_anew(cursor)  # what the tail does when it finds itself there

    assert answers.get("a") is None
    assert not keep(answers, tail, "b", "User:1", since=before)
    assert keep(answers, tail, "b", "User:1")


def test_a_reading_that_an_event_overtook_is_not_kept(answers, tail):
    began = tail.cursor
    hear(tail, about_post(EventType.POST_COUNTERS, post()))

    assert not keep(answers, tail, "old", "Post:7", since=began)
    assert keep(answers, tail, "other", "Post:8", since=began)
    assert keep(answers, tail, "new", "Post:7")


def test_while_nobody_knows_what_happened_nothing_is_given_and_nothing_kept(answers, tail):
    assert keep(answers, tail, "a", "User:1")
    tail._current_s = float("-inf")  # no word from the log for too long

    assert answers.get("a") is None
    assert not answers.is_usable
    assert not keep(answers, tail, "b", "User:1")

    tail.announce(tail.cursor)

    assert answers.get("a")


def test_an_answer_ends_with_its_age(answers, tail):
    keep(answers, tail, "a", "User:1", max_age_s=0)

    assert answers.get("a") is None
    assert (len(answers), answers.bytes, answers.purges) == (0, 0, 0)


def test_the_least_recently_used_ones_go_when_there_is_no_more_room(tail):
    entry = 100 + ENTRY_BYTES + len("User:1") + TAG_BYTES
    answers: Answers[str] = Answers(tail, max_bytes=LARGEST_SHARE * entry)
    for number in range(LARGEST_SHARE):
        assert keep(answers, tail, str(number), "User:1")
    assert answers.bytes == LARGEST_SHARE * entry
    answers.get("0")

    assert keep(answers, tail, "new", "User:1")

    assert answers.get("1") is None
    assert all(answers.get(key) for key in ("0", "2", "new"))
    assert (answers.bytes, answers.evictions) == (LARGEST_SHARE * entry, 1)
    assert not keep(answers, tail, "large", "User:1", size=101)
    assert not keep(answers, tail, "many tags", "User:1", "User:2")


def test_the_same_key_again_takes_no_more_room_and_leaves_no_old_tags(answers, tail):
    keep(answers, tail, "a", "User:1")
    size = answers.bytes
    keep(answers, tail, "a", "User:2")

    assert answers.bytes == size
    hear(tail, about_user(EventType.USER_CHANGED, 1))
    assert answers.get("a")
    hear(tail, about_user(EventType.USER_CHANGED, 2))
    assert answers.get("a") is None
    assert (answers.bytes, answers._keys_by_tag) == (0, {})


async def test_of_those_who_ask_at_once_one_works_and_the_others_find(answers, tail):
    works, go = [], asyncio.Event()

    async def work():
        if (kept := answers.get("a")) is not None:
            return f"found {kept.value}"
        works.append("one")
        await go.wait()
        keep(answers, tail, "a", "User:1")
        return "made"

    waiting = [asyncio.create_task(answers.once("a", work)) for _ in range(5)]
    await asyncio.sleep(0)
    go.set()

    assert await asyncio.gather(*waiting) == ["made"] + ["found a"] * 4
    assert works == ["one"]
    assert answers._flights == {}


async def test_one_who_leaves_hands_over(answers, tail):
    works = []

    async def work():
        if answers.get("a") is not None:
            return "found"
        works.append("one")
        await asyncio.Event().wait() if len(works) == 1 else None
        keep(answers, tail, "a", "User:1")
        return "made"

    first, *others = (asyncio.create_task(answers.once("a", work)) for _ in range(4))
    await asyncio.sleep(0)
    others[0].cancel()  # who waits may leave, too
    first.cancel()

    assert await asyncio.gather(*others[1:]) == ["made", "found"]
    assert first.cancelled()
    assert len(works) == 2


async def test_where_nothing_could_be_kept_those_who_waited_work_side_by_side(answers):
    works, at_once = [], asyncio.Barrier(3)

    async def work():
        works.append("one")
        if len(works) == 1:
            await asyncio.sleep(0)
            raise ValueError("its own")
        await at_once.wait()
        return "made"

    first, *others = (asyncio.create_task(answers.once("a", work)) for _ in range(4))

    with pytest.raises(ValueError, match="its own"):
        await first
    assert await asyncio.gather(*others) == ["made"] * 3


def test_reads_say_whom_they_missed():
    reads = Reads()
    reads.somebody([object()])
    assert not reads.misses_somebody
    reads.somebody([None, object()])
    assert reads.misses_somebody
