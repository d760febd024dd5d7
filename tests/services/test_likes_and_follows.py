"""Likes and follows: idempotent, and right however many act on the same rows at once."""

import random

import pytest

from app import services
from app.domain.errors import InvalidInput, NotFound
from app.services.posts import Draft
from tests.services.worlds import at_once, wrong_counters

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


async def act(server, person, verb, *args):
    """Do something as this person, in a request of its own."""
    return await verb(await server.context(person), *args)


async def post_by(server, person):
    """Write a post; return its id."""
    return (await act(server, person, services.posts.create, Draft("Hello"))).id


async def test_liking_again_and_taking_back_again_change_nothing(server):
    ada = await server.person()
    post = await post_by(server, ada)
    verbs = [services.likes.add] * 2 + [services.likes.remove] * 2 + [services.likes.add]
    assert [(await act(server, ada, verb, post)).likes_count for verb in verbs] == [1, 1, 0, 0, 1]
    assert await wrong_counters(server.running.resources.db) == []


async def test_following_again_and_unfollowing_again_change_nothing(server):
    ada, bob = await server.person(), await server.person()
    verbs = [services.follows.add] * 2 + [services.follows.remove] * 2 + [services.follows.add]
    assert [(await act(server, ada, verb, int(bob.id))).followers_count for verb in verbs] == [1, 1, 0, 0, 1]
    viewer = await services.users.viewer(await server.context(ada))
    assert viewer is not None
    assert viewer.following_count == 1
    assert await wrong_counters(server.running.resources.db) == []


async def test_nobody_follows_themselves(server):
    ada = await server.person()
    with pytest.raises(InvalidInput, match="cannot follow yourself") as refusal:
        await act(server, ada, services.follows.add, int(ada.id))
    assert refusal.value.field == "id"
    assert (await act(server, ada, services.follows.remove, int(ada.id))).followers_count == 0


async def test_there_is_nobody_to_follow_under_an_unknown_id_or_the_id_of_a_post(server):
    ada = await server.person()
    post = await post_by(server, ada)
    for id_ in (2**62, post):
        for verb in (services.follows.add, services.follows.remove):
            with pytest.raises(NotFound, match="There is no such user"):
                await act(server, ada, verb, id_)


async def test_a_hidden_post_and_a_missing_one_are_not_liked_and_look_alike(server):
    ada, bob = await server.person(), await server.person()
    post = await post_by(server, ada)
    await act(server, bob, services.likes.add, post)
    await services.posts.hide(server.running.resources.db, post, hidden=True)

    for id_ in (2**62, post, int(ada.id)):
        for verb in (services.likes.add, services.likes.remove):
            with pytest.raises(NotFound, match="hidden from you"):
                await act(server, bob, verb, id_)
    assert (await act(server, ada, services.likes.add, post)).likes_count == 2
    assert await wrong_counters(server.running.resources.db) == []


async def test_fifty_likes_and_unlikes_of_one_post_at_once_are_all_counted(server):
    people = [await server.person() for _ in range(10)]
    post = await post_by(server, people[0])
    chance = random.Random(1)

    verbs = [(person, chance.choice([services.likes.add, services.likes.remove])) for person in people for _ in range(5)]
    results = await at_once(act(server, person, verb, post) for person, verb in verbs)

    assert all(result.id == post for result in results)
    assert await wrong_counters(server.running.resources.db) == []


async def test_one_person_who_likes_fifty_times_at_once_likes_once(server):
    ada = await server.person()
    post = await post_by(server, ada)
    await at_once(act(server, ada, services.likes.add, post) for _ in range(50))
    assert (await act(server, ada, services.likes.add, post)).likes_count == 1


async def test_mutual_follows_at_once_neither_wait_in_a_ring_nor_miscount(server):
    people = [await server.person() for _ in range(6)]
    pairs = [(a, b) for a in people for b in people if a is not b]

    results = await at_once(act(server, a, services.follows.add, int(b.id)) for a, b in pairs)
    assert [result for result in results if isinstance(result, Exception)] == []
    assert await wrong_counters(server.running.resources.db) == []
    assert await server.running.resources.db.fetchval("select count(*) from follows") == 30

    chance = random.Random(2)
    verbs = [(a, b, chance.choice([services.follows.add, services.follows.remove])) for a, b in pairs * 2]
    results = await at_once(act(server, a, verb, int(b.id)) for a, b, verb in verbs)
    assert [result for result in results if isinstance(result, Exception)] == []
    assert await wrong_counters(server.running.resources.db) == []


@pytest.mark.parametrize("_case", range(4))
async def test_a_post_that_is_deleted_while_many_like_it_leaves_a_like_or_not_found_and_nothing_else(server, _case):
    people = [await server.person() for _ in range(12)]
    post = await post_by(server, people[0])
    likes = [act(server, person, services.likes.add, post) for person in people]
    likes.insert(6, act(server, people[0], services.posts.delete, post))

    results = await at_once(likes)

    assert results.pop(6) is None
    assert all(isinstance(result, NotFound) or result.id == post for result in results)
    assert await server.running.resources.db.fetchval("select count(*) from likes") == 0
    assert await wrong_counters(server.running.resources.db) == []


@pytest.mark.parametrize("_case", range(4))
async def test_a_post_that_is_deleted_while_many_answer_it_leaves_their_replies_or_not_found(server, _case):
    people = [await server.person() for _ in range(12)]
    post = await post_by(server, people[0])
    calls = [act(server, person, services.posts.create, Draft("Reply", in_reply_to_id=post)) for person in people]
    calls.insert(6, act(server, people[0], services.posts.delete, post))

    results = await at_once(calls)

    assert results.pop(6) is None
    assert all(isinstance(result, NotFound) or result.in_reply_to_id == post for result in results)
    assert await wrong_counters(server.running.resources.db) == []
