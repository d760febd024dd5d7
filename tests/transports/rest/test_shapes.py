"""What of a resource is shown: fields=, include= and batches, and that none of them costs a statement a row."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.models import MOST_MEDIA
from app.transports.resources import MediaResource
from app.transports.rest.answers import objects_in
from app.transports.rest.shapes import NOUNS, PostNeighbour, shape_of
from tests.transports.rest.asking import POST_KEYS, USER_KEYS, ask, check_problem

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


@pytest.fixture
async def world(server):
    """Ada with 6 posts; Bob, who follows and is followed, has 4 replies under each of the newest three, and likes one."""
    ada, bob = await server.person("ada"), await server.person("bob")
    await ada.follow(bob)
    await bob.follow(ada)
    posts = [await ada.post(f"Post {number}", title="T") for number in range(6)]
    replies = {post: [await bob.post("Reply", inReplyToId=post) for _ in range(4)] for post in posts[3:]}
    (await bob.graphql("mutation($id: ID!) { likePost(id: $id) { post { id } } }", id=posts[5])).data  # noqa: B018
    return {"ada": ada, "bob": bob, "posts": posts, "replies": replies}


async def statements(server, path, person=None):
    """Return how many statements a read takes, and what it gives."""
    headers = {"Feedgraph-Counts": "1", **(person.headers if person else {})}
    response = await ask(server, path, headers=headers)
    assert response.status == 200, response.raw
    told = dict(part.split("=") for part in response.headers["Feedgraph-Counts"].split(", "))
    return int(told["statements"]), response.body


async def test_fields_pick_keys_and_keep_the_id(server, world):
    ada, post = world["ada"], world["posts"][5]
    assert (await ask(server, f"/users/{ada.id}?fields=name,postsCount")).body == {
        "userId": ada.id,
        "name": "Ada",
        "postsCount": 6,
    }
    assert (await ask(server, f"/posts/{post}?fields=title&fields=content")).body == {
        "postId": post,
        "title": "T",
        "content": "Post 5",
    }
    assert set((await ask(server, f"/posts/{post}?fields=")).body) == POST_KEYS


async def test_neighbours_come_along_at_any_place_with_their_own_fields(server, world):
    ada, bob, post = world["ada"], world["bob"], world["posts"][5]
    include = "include=author,replies.author,viewer,replies.viewer"
    shown = (await ask(server, f"/posts/{post}?{include}&repliesFirst=2", headers=bob.headers)).body

    assert set(shown) == POST_KEYS | {"author", "replies", "viewerHasLiked"}
    assert set(shown["author"]) == USER_KEYS
    assert (shown["author"]["userId"], shown["viewerHasLiked"]) == (ada.id, True)
    assert [reply["postId"] for reply in shown["replies"]] == world["replies"][post][::-1][:2]
    assert {(reply["author"]["username"], reply["viewerHasLiked"]) for reply in shown["replies"]} == {("bob", False)}
    reply = world["replies"][post][0]
    fields = "fields=inReplyTo.title,inReplyTo.author.name"
    assert (await ask(server, f"/posts/{reply}?include=inReplyTo.author&{fields}")).body | {"inReplyTo": 0} == (
        (await ask(server, f"/posts/{reply}")).body | {"inReplyTo": 0}
    )
    assert (await ask(server, f"/posts/{reply}?include=inReplyTo.author&{fields}")).body["inReplyTo"] == {
        "postId": post,
        "title": "T",
        "author": {"userId": ada.id, "name": "Ada"},
    }
    assert (await ask(server, f"/posts/{post}?include=inReplyTo&fields=title")).body["inReplyTo"] is None


async def test_whom_the_viewer_knows_comes_with_people(server, world):
    ada, bob = world["ada"], world["bob"]
    for person, known in ((bob, True), (None, False)):
        headers = person.headers if person else {}
        shown = (await ask(server, f"/users/{ada.id}?include=viewer&fields=name", headers=headers)).body
        assert shown == {"userId": ada.id, "name": "Ada", "viewerIsFollowing": known, "viewerIsFollowedBy": known}


async def test_statements_stay_the_same_however_many_rows_there_are(server, world):
    ada, bob = world["ada"], world["bob"]
    # One each for the token, the parent, the list, and a relation at one place (two where it goes both ways, as between viewer
    # and person); who was read already, such as the author under their own address, is not read again.
    reads = {
        f"/users/{ada.id}/posts?include=author": (None, 2),
        f"/users/{ada.id}/posts?include=author,replies.author": (None, 4),
        f"/users/{ada.id}/posts?include=author,inReplyTo,replies.author,viewer,replies.viewer": (bob, 7),
        "/feed?include=author,replies.author": (bob, 4),
        "/feed?include=author.viewer,replies.author,inReplyTo.author,viewer": (bob, 9),
        "/posts?include=author": (None, 2),
        f"/users/{ada.id}/followers?include=viewer": (bob, 5),
    }
    for path, (person, expected) in reads.items():
        for size in (2, 5):
            count, body = await statements(server, f"{path}&first={size}", person)
            assert body
            assert (path, count) == (path, expected)


async def test_a_batch_keeps_the_order_and_marks_what_is_missing(server, world):
    ada, bob, posts = world["ada"], world["bob"], world["posts"]
    await server.running.resources.db.execute("update posts set hidden_at = now() where id = $1", int(posts[0]))

    count, body = await statements(server, f"/posts?ids={posts[2]},404,{posts[0]},{posts[1]},{posts[2]}&fields=content")
    assert (count, [row and row["content"] for row in body]) == (1, ["Post 2", None, None, "Post 1", "Post 2"])
    count, body = await statements(server, f"/posts?ids={posts[2]}&ids={posts[0]}", ada)
    assert (count, [row["postId"] for row in body]) == (2, [posts[2], posts[0]])
    count, body = await statements(server, f"/posts?ids={posts[5]},{posts[4]}&include=author,replies.author")
    assert (count, [len(row["replies"]) for row in body]) == (4, [3, 3])
    count, body = await statements(server, f"/users?ids={bob.id},404,{ada.id}")
    assert (count, [row and row["username"] for row in body]) == (1, ["bob", None, "ada"])
    count, body = await statements(server, "/users?usernames=ADA,nobody,%20,bob")
    assert (count, [row and row["userId"] for row in body]) == (1, [ada.id, None, None, bob.id])
    count, body = await statements(server, f"/nodes?ids={posts[1]},{ada.id},404")
    assert (count, [set(row or ()) for row in body]) == (1, [POST_KEYS, USER_KEYS, set()])
    assert (await ask(server, "/posts?ids=")).body == []


MANY = ",".join(map(str, range(1, 102)))


NOT_SHOWN = (
    ("/posts/1?fields=nothing", "fields"),
    ("/posts/1?fields=author.name", "fields"),
    ("/posts/1?include=author&fields=author", "fields"),
    ("/posts/1?include=author&fields=author.", "fields"),
    ("/posts/1?include=author&fields=author.title", "fields"),
    ("/posts/1?include=author&fields=%00", "fields"),
    ("/posts/1?include=nobody", "include"),
    ("/posts/1?include=author,", "include"),
    ("/posts/1?include=replies.replies.replies", "include"),
    ("/users/1?include=posts", "include"),
    ("/posts/1?repliesFirst=x", "repliesFirst"),
    ("/posts/1?repliesFirst=1&repliesFirst=2", "repliesFirst"),
    ("/posts?ids=1,,2", "ids"),
    ("/posts?ids=abc", "ids"),
    (f"/posts?ids={MANY}", "ids"),
    (f"/users?ids={MANY}", "ids"),
    (f"/nodes?ids={MANY}", "ids"),
    ("/posts?ids=1&first=2", "ids"),
    ("/users", "ids"),
    ("/users?ids=1&usernames=ada", "ids"),
    ("/nodes", "ids"),
    ("/feed?first=1&first=2", "first"),
)


async def test_what_cannot_be_shown_is_a_problem_that_names_its_field(server):
    ada = await server.person()
    for path, field in NOT_SHOWN:
        response = await ask(server, path, headers=ada.headers)
        check_problem(response, 422, "BAD_USER_INPUT")
        assert (path, response.body["field"]) == (path, field)


async def test_a_list_of_replies_that_is_too_long_is_a_page_size(server, world):
    for size in ("101", "-1"):
        path = f"/posts/{world['posts'][5]}?include=replies&repliesFirst={size}"
        check_problem(await ask(server, path), 422, "PAGE_SIZE")


IDS = {"user": "userId", "post": "postId", "media": "mediaId"}
KEYS = {"user": USER_KEYS, "post": POST_KEYS, "media": set(MediaResource.__annotations__), "viewer": set()}


def shown(noun, shape, replies):
    """Return the largest resource of a shape: every neighbour there, every list full."""
    row = shape.of(dict.fromkeys(KEYS[noun], 1), IDS[noun])
    for name, below in shape.neighbours.items():
        if name == "replies":
            row[name] = [shown("post", below, replies) for _ in range(replies)]
        elif name == "media":
            row[name] = [shown("media", below, replies)] * MOST_MEDIA
        else:
            row[name] = True if name == "viewer" else shown(NOUNS[name], below, replies)
    return row


@given(
    include=st.lists(st.sampled_from(get_args(PostNeighbour)), unique=True),
    keys=st.sets(st.sampled_from(sorted(POST_KEYS))),
    replies=st.integers(0, 5),
    data=st.data(),
)
def test_a_shape_has_what_is_named_and_costs_what_it_shows_at_most(include, keys, replies, data):
    places = {path.rpartition(".")[0] for path in include} | {path for path in include if not path.endswith("viewer")}
    wished = {
        place: data.draw(st.sets(st.sampled_from(sorted(KEYS[NOUNS[place.rpartition(".")[2]]])))) for place in places - {""}
    }
    fields = [*keys, *(f"{place}.{key}" for place, below in wished.items() for key in below)]

    row = shown("post", shape := shape_of("post", tuple(fields), tuple(include)), replies)

    assert set(row) == (keys | {"postId"} if keys else POST_KEYS) | {path.partition(".")[0] for path in include}
    for place, below in wished.items():
        inner = shape
        for name in place.split("."):
            inner = inner.neighbours[name]
        assert inner.keys == (below or None)
    assert objects_in(row) == shape.most_objects(replies)
