"""A shared answer lives until the event of a change arrives: every kind of change, and readings that an event overtakes."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from app import services, stores
from tests.clients import Person, TestServer
from tests.transports.graphql.test_caching import (
    BY_NAME,
    DOCUMENTS,
    LATEST,
    POST,
    USER,
    ask,
    extension_of,
    heard,
    is_hit,
    primed,
    shown,
)


@dataclass
class Scene:
    """Ann has a post, Bob a reply to it, and nobody follows anybody."""

    server: TestServer
    ann: Person
    bob: Person
    post: str
    reply: str

    async def state(self) -> dict[str, Any]:
        """Return what the shared answers show."""
        return {name: shown(await ask(self.server, document, **variables)) for name, document, variables in self.questions}

    @property
    def questions(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What is asked."""
        return [
            ("post", POST, {"id": self.post}),
            ("reply", POST, {"id": self.reply}),
            ("ann", USER, {"id": self.ann.id}),
            ("bob", USER, {"id": self.bob.id}),
            ("bob by name", BY_NAME, {"name": self.bob.username}),
            ("latest", LATEST, {}),
        ]

    async def primed(self) -> dict[str, Any]:
        """Have every answer kept; return what they show."""
        return {name: shown(await primed(self.server, document, **variables)) for name, document, variables in self.questions}

    async def hits(self) -> set[str]:
        """Return which answers are still in the cache."""
        return {name for name, document, variables in self.questions if is_hit(await ask(self.server, document, **variables))}

    async def do(self, who: Person, mutation: str) -> None:
        """Make a change and wait for its event."""
        answer = await heard(self.server, who.graphql(f"mutation {{ {mutation} }}"))
        assert answer.status == 200
        assert "errors" not in answer.body, answer.body

    async def hide(self, *, hidden: bool) -> None:
        """Hide or show the reply, as a moderator does."""
        await heard(self.server, services.posts.hide(self.server.running.resources.db, int(self.reply), hidden=hidden))


@pytest.fixture
async def scene(server: TestServer) -> Scene:
    """The scene, with the documents registered."""
    for document in DOCUMENTS:
        await server.graphql(document, extensions=extension_of(document))
    ann, bob = await server.person("ann"), await server.person("bob")
    post = await heard(server, ann.post("Post"))
    reply = await heard(server, bob.post("Reply", inReplyToId=post))
    return Scene(server, ann, bob, post, reply)


CHANGES = {
    "like": ("ann", "likePost(id: {reply}) {{ post {{ id }} }}", {"ann", "bob", "bob by name"}),
    "write": ("bob", 'createPost(input: {{content: "New"}}) {{ post {{ id }} }}', set()),
    "reply": ("ann", 'createPost(input: {{content: "New", inReplyToId: {reply}}}) {{ post {{ id }} }}', {"bob by name"}),
    "edit": ("bob", 'editPost(input: {{id: {reply}, content: "Edited"}}) {{ post {{ id }} }}', set()),
    "delete": ("bob", "deletePost(id: {reply}) {{ id }}", set()),
    "follow": ("bob", "followUser(id: {ann}) {{ user {{ id }} }}", set()),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_after_each_kind_of_change_shared_answers_are_those_that_the_database_gives(scene: Scene, change: str):
    who, mutation, untouched = CHANGES[change]
    before = await scene.primed()
    assert await scene.hits() == before.keys()

    await scene.do(getattr(scene, who), mutation.format(reply=f'"{scene.reply}"', ann=f'"{scene.ann.id}"'))

    assert untouched <= await scene.hits()
    after = await scene.state()
    assert after == await uncached(scene)
    assert after != before


async def uncached(scene: Scene) -> dict[str, Any]:
    """Return what the same questions are answered by POST, which is never shared."""
    answers = {}
    for name, document, variables in scene.questions:
        answers[name] = (await scene.server.graphql(document, variables)).data
    return answers


@pytest.mark.parametrize("undone", ["unlikePost", "unfollowUser"])
async def test_what_is_taken_back_is_seen_as_well(scene: Scene, undone: str):
    id_ = scene.reply if undone == "unlikePost" else scene.bob.id
    shown_field = "post" if undone == "unlikePost" else "user"
    await scene.do(scene.ann, f'{undone.replace("un", "")}(id: "{id_}") {{ {shown_field} {{ id }} }}')
    before = await scene.primed()

    await scene.do(scene.ann, f'{undone}(id: "{id_}") {{ {shown_field} {{ id }} }}')

    after = await scene.state()
    assert after == await uncached(scene)
    assert after != before


async def test_a_moderator_s_act_is_seen_by_everybody(scene: Scene):
    before = await scene.primed()

    await scene.hide(hidden=True)
    without = await scene.state()
    assert without == await uncached(scene)
    assert without["reply"] == {"post": None}
    assert is_hit(await ask(scene.server, POST, id=scene.reply))  # that it is not there is kept, too

    await scene.hide(hidden=False)
    assert await scene.state() == before


async def test_a_reading_that_a_change_overtakes_is_not_kept(scene: Scene, monkeypatch):
    read = stores.posts.by_ids
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(*args, **kwargs):
        found = await read(*args, **kwargs)
        began.set()
        await go.wait()
        return found

    monkeypatch.setattr(stores.posts, "by_ids", slow)
    old = asyncio.create_task(ask(scene.server, POST, id=scene.post))
    await began.wait()
    monkeypatch.setattr(stores.posts, "by_ids", read)
    await scene.do(scene.ann, f'editPost(input: {{id: "{scene.post}", content: "Newer"}}) {{ post {{ id }} }}')
    go.set()

    assert shown(await old)["post"]["content"] == "Post"
    answer = await ask(scene.server, POST, id=scene.post)
    assert (is_hit(answer), shown(answer)["post"]["content"]) == (False, "Newer")


async def test_of_many_who_ask_at_once_one_asks_the_database(scene: Scene, monkeypatch):
    read, readings = stores.posts.by_ids, []

    async def counted(*args, **kwargs):
        readings.append(args)
        return await read(*args, **kwargs)

    monkeypatch.setattr(stores.posts, "by_ids", counted)

    answers = await asyncio.gather(*(ask(scene.server, POST, id=scene.post) for _ in range(10)))

    assert len(readings) == 1
    assert sum(map(is_hit, answers)) == 9
    assert len({answer.body for answer in answers}) == 1


async def test_questions_asked_together_are_thrown_away_apart(scene: Scene):
    posts = [scene.post, scene.reply, await heard(scene.server, scene.bob.post("Third"))]
    await asyncio.gather(*(ask(scene.server, POST, id=post) for post in posts))

    await scene.do(scene.ann, f'likePost(id: "{posts[2]}") {{ post {{ id }} }}')

    assert [is_hit(await ask(scene.server, POST, id=post)) for post in posts] == [True, True, False]


async def test_while_the_log_is_out_of_sight_every_answer_is_read_anew(scene: Scene, monkeypatch):
    await scene.primed()
    tail = scene.server.running.resources.tail
    monkeypatch.setattr(type(tail), "is_current", False)

    assert await scene.hits() == set()
    assert await scene.hits() == set()

    monkeypatch.undo()
    assert await scene.hits() == {name for name, _, _ in scene.questions}


async def test_another_process_hears_of_changes_as_well(scene: Scene, start_server):
    other = await start_server(redis_prefix=scene.server.running.resources.settings.redis_prefix)
    await other.running.resources.tail.catch_up()
    await primed(other, POST, id=scene.post)
    before = other.running.resources.tail.cursor

    await scene.do(scene.bob, f'likePost(id: "{scene.post}") {{ post {{ id }} }}')
    async with asyncio.timeout(5):
        await other.running.resources.tail.growth(before)

    assert shown(await ask(other, POST, id=scene.post))["post"]["likesCount"] == 1
