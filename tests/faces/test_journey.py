"""The same journey through every face, and the same refusals on every face: faces have no rules of their own."""

from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.faces.clients import FACES, opened
from tests.faces.rows import Page, Refused
from tests.pictures import picture

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


@pytest.fixture
async def everybody(server):
    """Ada and Bob, who follow each other; Bob has a post with a reply by Ada."""
    ada, bob = await server.person("ada"), await server.person("bob")
    await ada.follow(bob)
    await bob.follow(ada)
    post = await bob.post("Bob's post", title="A title")
    reply = await ada.post("Ada's reply", inReplyToId=post)
    return {"ada": ada, "bob": bob, "post": post, "reply": reply}


async def on_every_face(server, person, ask):
    """Return what `ask` gives on each face; a refusal is its code."""

    async def on(face):
        async with opened(face, server, person) as client:
            try:
                return await ask(client)
            except Refused as refusal:
                return str(refusal)

    return [await on(face) for face in FACES]  # in turn: two requests with one idempotency key would meet


@pytest.mark.parametrize("face", FACES)
async def test_a_person_writes_answers_and_finds_it_everywhere(server, everybody, face):
    ada, bob = everybody["ada"], everybody["bob"]
    async with opened(face, server, ada) as client:
        post = await client.write(" A thought ", title="On this face", idempotencyKey="once")
        assert await client.write("A thought", title="On this face", idempotencyKey="once") == post
        reply = await client.write("And more", inReplyToId=post["postId"])

        assert (post["content"], post["title"], post["authorId"], post["inReplyToId"]) == (
            "A thought",
            "On this face",
            ada.id,
            None,
        )
        assert await client.post(post["postId"]) == post | {"repliesCount": 1}
        assert await client.replies(post["postId"]) == Page([reply], None, None)
        assert (await client.posts(ada.id)).rows == [post | {"repliesCount": 1}]
        assert [row["username"] for row in (await client.followers(ada.id)).rows] == ["bob"]
        profile = await client.user(ada.id)
        assert (profile["username"], profile["postsCount"], profile["followersCount"]) == ("ada", 3, 1)
        feed = (await client.feed()).rows
        assert [row["postId"] for row in feed] == [reply["postId"], post["postId"], everybody["reply"], everybody["post"]]

    async with opened(face, server, bob) as client:
        assert [row["postId"] for row in (await client.feed(first=2)).rows] == [reply["postId"], post["postId"]]


async def test_every_face_gives_the_same_rows(server, everybody):
    ada, bob = everybody["ada"], everybody["bob"]
    for ask in (
        lambda client: client.user(bob.id),
        lambda client: client.post(everybody["post"]),
        lambda client: client.post(everybody["reply"]),
        lambda client: client.posts(bob.id),
        lambda client: client.followers(bob.id),
        lambda client: client.replies(everybody["post"]),
        lambda client: client.feed(),
    ):
        first, *others = await on_every_face(server, ada, ask)
        assert not isinstance(first, str)
        assert others == [first] * (len(FACES) - 1)


async def test_a_page_begun_on_one_face_goes_on_on_any_other(server, everybody):
    bob = everybody["bob"]
    newer = [await bob.post(f"Post {number}") for number in range(8)]
    expected = [*newer[::-1], everybody["post"]]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(opened(face, server)) for face in FACES]
        seen: list[str] = []
        page = await clients[0].posts(bob.id, first=2)
        for turn in range(1, 9):
            seen += [row["postId"] for row in page.rows]
            if page.next is None:
                break
            page = await clients[turn % len(clients)].posts(bob.id, first=2, after=page.next)
        assert seen == expected
        page = await clients[1].posts(bob.id, last=2)
        back = [row["postId"] for row in page.rows]
        for turn in range(2, 9):
            if page.previous is None:
                break
            page = await clients[turn % len(clients)].posts(bob.id, last=2, before=page.previous)
            back = [*(row["postId"] for row in page.rows), *back]
        assert back == expected


@pytest.mark.parametrize("face", FACES)
async def test_a_post_with_an_image_is_written_on_one_face_and_seen_on_all(server, everybody, face):
    ada = everybody["ada"]
    url, headers = f"{server.url}/api/v1/media?alt=Red", ada.headers | {"Content-Type": "image/png"}
    async with server.http.post(url, data=picture(), headers=headers) as response:
        media = await response.json()
    async with opened(face, server, ada) as client:
        post = (await client.write("With an image", mediaIds=[media["mediaId"]]))["postId"]

    expected = [{key: value for key, value in media.items() if key not in {"postId", "size", "createdAt"}}]
    assert await on_every_face(server, everybody["bob"], lambda client: client.images(post)) == [expected] * len(FACES)


async def test_a_job_is_the_same_on_every_face_and_its_owner_s_alone(server, everybody):
    ada, bob = everybody["ada"], everybody["bob"]
    async with server.http.post(f"{server.url}/api/v1/exports", headers=ada.headers | {"Prefer": "wait=15"}) as response:
        job = await response.json()
    assert job["state"] == "SUCCEEDED"

    for person, seen in ((ada, job), (bob, "NOT_FOUND"), (None, "UNAUTHENTICATED")):
        assert await on_every_face(server, person, lambda client: client.job(job["jobId"])) == [seen] * len(FACES)


REFUSALS: dict[str, tuple[str, Any]] = {
    "a page that is too large": ("PAGE_SIZE", lambda c, w: c.posts(w["bob"].id, first=101)),
    "a negative page": ("PAGE_SIZE", lambda c, w: c.feed(last=-1)),
    "both ends at once": ("BAD_USER_INPUT", lambda c, w: c.followers(w["bob"].id, first=1, last=1)),
    "a cursor that is none": ("CURSOR_INVALID", lambda c, w: c.replies(w["post"], after="garbage")),
    "an empty cursor": ("CURSOR_INVALID", lambda c, w: c.feed(before="")),
    "an id that is none": ("BAD_USER_INPUT", lambda c, w: c.user("abc")),
    "an id out of range": ("BAD_USER_INPUT", lambda c, w: c.post("9223372036854775808")),
    "nobody": ("NOT_FOUND", lambda c, w: c.user("404")),
    "nobody's posts": ("NOT_FOUND", lambda c, w: c.posts("404")),
    "no post": ("NOT_FOUND", lambda c, w: c.post("404")),
    "replies to nothing": ("NOT_FOUND", lambda c, w: c.replies("404")),
    "an empty text": ("BAD_USER_INPUT", lambda c, w: c.write(" ")),
    "a text that is too long": ("BAD_USER_INPUT", lambda c, w: c.write("x" * 5_001)),
    "a text that cannot be stored": ("BAD_USER_INPUT", lambda c, w: c.write("a\0")),
    "a text of the wrong type": ("BAD_USER_INPUT", lambda c, w: c.write(1)),
    "a title in two lines": ("BAD_USER_INPUT", lambda c, w: c.write("x", title="a\nb")),
    "a reply to nothing": ("NOT_FOUND", lambda c, w: c.write("x", inReplyToId="404")),
    "a reply to no id": ("BAD_USER_INPUT", lambda c, w: c.write("x", inReplyToId="abc")),
    "an image that is not there": ("NOT_FOUND", lambda c, w: c.write("x", mediaIds=["404"])),
    "an image twice": ("BAD_USER_INPUT", lambda c, w: c.write("x", mediaIds=["5", "5"])),
    "no job": ("NOT_FOUND", lambda c, w: c.job("404")),
    "a used key": ("IDEMPOTENCY_MISMATCH", lambda c, w: c.write("Other", idempotencyKey="used")),
    "an empty key": ("BAD_USER_INPUT", lambda c, w: c.write("x", idempotencyKey="")),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_every_face_refuses_with_the_same_code(server, everybody, name):
    code, ask = REFUSALS[name]
    await everybody["ada"].post("First", idempotencyKey="used")
    assert await on_every_face(server, everybody["ada"], lambda client: ask(client, everybody)) == [code] * len(FACES)


async def test_every_face_asks_for_a_session_where_one_is_needed(server, everybody):
    for ask in (lambda client: client.write("x"), lambda client: client.feed(), lambda client: client.job("404")):
        assert await on_every_face(server, None, ask) == ["UNAUTHENTICATED"] * len(FACES)


async def test_a_hidden_post_is_hidden_on_every_face_and_shown_to_its_author(server, everybody):
    ada, bob = everybody["ada"], everybody["bob"]
    await server.running.resources.db.execute("update posts set hidden_at = now() where id = $1", int(everybody["post"]))

    for person, seen in ((None, False), (ada, False), (bob, True)):
        found = await on_every_face(server, person, lambda client: client.post(everybody["post"]))
        assert [row != "NOT_FOUND" for row in found] == [seen] * len(FACES)
        lists = await on_every_face(server, person, lambda client: client.posts(bob.id))
        assert [len(page.rows) for page in lists] == [int(seen)] * len(FACES)
