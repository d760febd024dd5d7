"""A newcomer's first day through every face: sign up, follow, like, change one's mind, leave; and what faces refuse alike."""

import pytest

from tests.clients import Person
from tests.faces.clients import FACES, opened
from tests.faces.rows import Refused
from tests.faces.test_journey import on_every_face

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

ACCOUNT = {"username": "newcomer", "password": "correct horse", "name": "Newcomer"}


@pytest.mark.parametrize("face", FACES)
async def test_a_newcomer_signs_up_follows_likes_reads_and_leaves(server, face):
    bob = await server.person("bob")
    post = await bob.post("Welcome")
    async with opened(face, server) as client:
        token, user = await client.sign_up(**ACCOUNT)
        again, same = await client.sign_in(username="Newcomer", password="correct horse")
        assert (same, user["username"], again != token) == (user, "newcomer", True)

    async with opened(face, server, Person(server, user["userId"], "newcomer", token)) as client:
        assert (await client.feed()).rows == []
        for _ in range(2):
            assert (await client.follow(bob.id))["followersCount"] == 1
            assert (await client.like(post))["likesCount"] == 1
        mine = await client.write("First")
        assert [row["postId"] for row in (await client.feed()).rows] == [mine["postId"], post]
        changed = await client.edit(mine["postId"], content="Changed", title="Now with a title")
        assert (changed["content"], changed["title"], changed["editedAt"] is None) == ("Changed", "Now with a title", False)
        assert await client.post(mine["postId"]) == changed
        await client.delete(mine["postId"])
        for _ in range(2):
            assert (await client.like(post, on=False))["likesCount"] == 0
            assert (await client.follow(bob.id, on=False))["followersCount"] == 0
        assert (await client.feed()).rows == []
        await client.sign_out()

    async with opened("REST", server, Person(server, user["userId"], "newcomer", token)) as client:
        with pytest.raises(Refused, match="UNAUTHENTICATED"):
            await client.feed()


REFUSALS = {
    "a name that is taken": ("CONFLICT", lambda c, w: c.sign_up(**ACCOUNT | {"username": w["bob"].username})),
    "a name that is none": ("BAD_USER_INPUT", lambda c, _: c.sign_up(**ACCOUNT | {"username": "a b"})),
    "a password that is too short": ("BAD_USER_INPUT", lambda c, _: c.sign_up(**ACCOUNT | {"password": "short"})),
    "nobody signs in": ("UNAUTHENTICATED", lambda c, _: c.sign_in(username="nobody", password="correct horse")),
    "a NUL in a password": ("UNAUTHENTICATED", lambda c, w: c.sign_in(username=w["bob"].username, password="\0")),
    "oneself": ("BAD_USER_INPUT", lambda c, w: c.follow(w["ada"].id)),
    "nobody is followed": ("NOT_FOUND", lambda c, _: c.follow("404")),
    "nobody is left": ("NOT_FOUND", lambda c, _: c.follow("404", on=False)),
    "no id": ("BAD_USER_INPUT", lambda c, _: c.like("-1")),
    "no post": ("NOT_FOUND", lambda c, _: c.like("404")),
    "no post any more": ("NOT_FOUND", lambda c, _: c.like("404", on=False)),
    "somebody else's post": ("FORBIDDEN", lambda c, w: c.edit(w["post"], content="Mine")),
    "somebody else's post goes": ("FORBIDDEN", lambda c, w: c.delete(w["post"])),
    "nothing to change": ("BAD_USER_INPUT", lambda c, w: c.edit(w["own"])),
    "an empty text": ("BAD_USER_INPUT", lambda c, w: c.edit(w["own"], content=" ")),
    "a post that is gone": ("NOT_FOUND", lambda c, _: c.delete("404")),
}


async def test_every_face_refuses_a_social_blunder_with_the_same_code(server):
    ada, bob = await server.person("ada"), await server.person("bob")
    world = {"ada": ada, "bob": bob, "post": await bob.post(), "own": await ada.post()}
    for name, (code, ask) in REFUSALS.items():
        assert (name, await on_every_face(server, ada, lambda client, ask=ask: ask(client, world))) == (
            name,
            [code] * len(FACES),
        )
    for stranger in (
        lambda c: c.follow(bob.id),
        lambda c: c.like(world["post"]),
        lambda c: c.delete("1"),
        lambda c: c.sign_out(),
    ):
        assert await on_every_face(server, None, stranger) == ["UNAUTHENTICATED"] * len(FACES)
