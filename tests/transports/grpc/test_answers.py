"""What the methods answer, and how many statements that takes: batches keep their order, and nothing grows with the rows."""

from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty

from app.transports.grpc.stubs import feeds_pb2, follows_pb2, pages_pb2, posts_pb2, sessions_pb2, users_pb2
from tests.clients import Person
from tests.grpc_calls import Stubs, counted, refusal_of, signed

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

ROWS = (1, 20, 100)


@pytest.fixture
async def author(server, stubs) -> Person:
    """Somebody with 100 posts and 100 followers, each of whom wrote a post, answered one of hers and likes another."""
    ada = await server.person("ada")
    await server.running.resources.db.execute(
        f"""
        insert into users (id, username, name) select n, 'p' || lpad(n::text, 3, '0'), 'P' from generate_series(1, 100) n;
        insert into posts (id, author_id, content) select 1000 + n, {ada.id}, 'x' from generate_series(1, 100) n;
        insert into posts (id, author_id, content, in_reply_to_id, in_reply_to_author_id)
            select 10000 + n, n % 100 + 1, 'x', n % 100 + 1001, {ada.id} from generate_series(1, 300) n;
        insert into posts (id, author_id, content) select 20000 + n, n, 'x' from generate_series(1, 100) n;
        insert into follows (follower_id, followee_id) select n, {ada.id} from generate_series(1, 100) n;
        insert into follows (follower_id, followee_id) select {ada.id}, n from generate_series(1, 100) n;
        insert into likes (user_id, post_id) select n, 1100 from generate_series(1, 100) n
        """
    )
    return ada


def first(number: int) -> pages_pb2.Page:
    return pages_pb2.Page(first=number)


# What is asked with n rows, and how many statements it takes; looking the token up is one where there is one.
READS = {
    "posts of a user": (2, lambda s, a, n: s.posts.GetPostsForUser(posts_pb2.UserRequest(user_id=a.id, page=first(n)), **TOLD)),
    "posts with their author, who was looked up": (
        2,
        lambda s, a, n: s.posts.GetPostsForUser(posts_pb2.UserRequest(user_id=a.id, page=first(n), with_author=True), **TOLD),
    ),
    "latest posts and their authors": (
        2,
        lambda s, _, n: s.posts.GetLatestPosts(posts_pb2.GetLatestPostsRequest(page=first(n), with_author=True), **TOLD),
    ),
    "a batch of posts": (1, lambda s, _, n: s.posts.GetPosts(posts_pb2.GetPostsRequest(post_ids=posts(n)), **TOLD)),
    "a batch of posts and their authors": (
        2,
        lambda s, _, n: s.posts.GetPosts(posts_pb2.GetPostsRequest(post_ids=posts(n), with_author=True), **TOLD),
    ),
    "replies to many posts and their authors": (
        3,
        lambda s, _, n: s.posts.GetReplies(
            posts_pb2.GetRepliesRequest(post_ids=posts(n), page=first(3), with_author=True), **TOLD
        ),
    ),
    "posts with all beside them": (
        3,
        lambda s, a, n: s.posts.GetPostsForUser(
            posts_pb2.UserRequest(user_id=a.id, page=first(n), with_author=True, with_media=True), **TOLD
        ),
    ),
    "likers": (2, lambda s, _, n: s.posts.GetLikers(posts_pb2.GetLikersRequest(post_id="1100", page=first(n)), **TOLD)),
    "followers": (2, lambda s, a, n: s.follows.GetFollowers(follows_pb2.GetFollowsRequest(user_id=a.id, page=first(n)), **TOLD)),
    "people followed": (
        2,
        lambda s, a, n: s.follows.GetFollowing(follows_pb2.GetFollowsRequest(user_id=a.id, page=first(n)), **TOLD),
    ),
    "a batch of users": (
        1,
        lambda s, _, n: s.users.GetUsers(users_pb2.GetUsersRequest(user_ids=[str(id_) for id_ in range(1, n + 1)]), **TOLD),
    ),
    "the home feed and its authors": (
        3,
        lambda s, a, n: s.feeds.GetHomeFeed(
            feeds_pb2.GetHomeFeedRequest(page=first(n), with_author=True), metadata=signed(a, feedgraph_counts="1")
        ),
    ),
}
TOLD: dict[str, Any] = {"metadata": signed(None, feedgraph_counts="1")}


def posts(number: int) -> list[str]:
    return [str(1000 + n) for n in range(1, number + 1)]


@pytest.mark.parametrize("name", READS)
async def test_statements_do_not_grow_with_the_rows(stubs: Stubs, author: Person, name):
    statements, ask = READS[name]
    for rows in ROWS:
        answer, took = await counted(ask(stubs, author, rows))
        assert took == statements, rows
        [shown] = [value for field, value in answer.ListFields() if field.is_repeated]
        assert len(shown) == rows
        if "author" in name and name != "a user":
            parts = [part for entry in shown for part in (entry.replies.posts if name.startswith("replies") else [entry])]
            written = [part.post if name.startswith("a batch") else part for part in parts]
            assert all(post.author.user_id == post.author_id for post in written)


async def test_batches_answer_each_id_in_its_order_and_mark_what_is_missing(stubs: Stubs, server, author: Person):
    bob = await server.person("bob")
    hidden = await bob.post("Hidden")
    await server.running.resources.db.execute("update posts set hidden_at = now() where id = $1", int(hidden))
    asked = ["1003", "404", "1001", hidden, "1003", author.id]

    for person, missing in ((author, {"404", hidden, author.id}), (bob, {"404", author.id})):
        request = posts_pb2.GetPostsRequest(post_ids=asked, with_author=True)
        entries = (await stubs.posts.GetPosts(request, metadata=signed(person))).entries
        assert [entry.post_id for entry in entries] == asked
        assert [entry.post.post_id for entry in entries] == ["" if id_ in missing else id_ for id_ in asked]
        assert {entry.post_id for entry in entries if not entry.HasField("post")} == missing
        replies = await stubs.posts.GetReplies(posts_pb2.GetRepliesRequest(post_ids=asked), metadata=signed(person))
        assert {entry.post_id for entry in replies.entries if not entry.HasField("replies")} == missing
        assert [len(entry.replies.posts) for entry in replies.entries] == [3 if id_ in {"1001", "1003"} else 0 for id_ in asked]
    users = (await stubs.users.GetUsers(users_pb2.GetUsersRequest(user_ids=["2", "1001", "2"]))).entries
    assert [(entry.user_id, entry.user.username) for entry in users] == [("2", "p002"), ("1001", ""), ("2", "p002")]
    assert not (await stubs.posts.GetPosts(posts_pb2.GetPostsRequest())).entries


async def test_a_cursor_pages_through_replies_to_one_post_and_not_to_several(stubs: Stubs, author: Person):
    page = (await stubs.posts.GetReplies(posts_pb2.GetRepliesRequest(post_ids=["1001"], page=first(2)))).entries[0].replies
    rest = pages_pb2.Page(after=page.page_info.end_cursor)
    others = await stubs.posts.GetReplies(posts_pb2.GetRepliesRequest(post_ids=["1001"], page=rest))
    assert page.page_info.has_next_page
    assert len(page.posts) == 2
    assert len(others.entries[0].replies.posts) == 1
    refused = await refusal_of(stubs.posts.GetReplies(posts_pb2.GetRepliesRequest(post_ids=["1001", "1002"], page=rest)))
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "page")
    wrong = await refusal_of(stubs.posts.GetReplies(posts_pb2.GetRepliesRequest(post_ids=["1002"], page=rest)))
    assert (wrong.status.name, wrong.code) == ("OUT_OF_RANGE", "CURSOR_INVALID")


async def test_a_person_signs_up_writes_edits_likes_follows_and_signs_out(stubs: Stubs, server):
    await server.person("bob")
    session = await stubs.sessions.SignUp(sessions_pb2.SignUpRequest(username="Ada", password="correct horse", name="Ada L."))
    ada = Person(server, session.user.user_id, session.user.username, session.token)
    as_ada: dict[str, Any] = {"metadata": signed(ada)}
    assert (ada.username, session.user.name) == ("ada", "Ada L.")
    assert await stubs.users.GetViewer(Empty(), **as_ada) == session.user
    assert (await stubs.users.GetUser(users_pb2.GetUserRequest(username="ADA"))) == session.user

    created = await stubs.posts.CreatePost(posts_pb2.CreatePostRequest(content=" Hi ", title="T", idempotency_key="k"), **as_ada)
    again = await stubs.posts.CreatePost(posts_pb2.CreatePostRequest(content="Hi", title="T", idempotency_key="k"), **as_ada)
    assert (created.content, created.title, created.HasField("edited_at")) == ("Hi", "T", False)
    assert again == created
    edited = await stubs.posts.EditPost(posts_pb2.EditPostRequest(post_id=created.post_id, content="Ho"), **as_ada)
    assert (edited.content, edited.title, edited.HasField("edited_at")) == ("Ho", "T", True)
    edited = await stubs.posts.EditPost(posts_pb2.EditPostRequest(post_id=created.post_id, title=""), **as_ada)
    assert (edited.content, edited.HasField("title")) == ("Ho", False)

    one = posts_pb2.PostRequest(post_id=created.post_id)
    assert [(await stubs.posts.LikePost(one, **as_ada)).likes_count for _ in range(2)] == [1, 1]
    likers = await stubs.posts.GetLikers(posts_pb2.GetLikersRequest(post_id=created.post_id))
    assert [user.username for user in likers.users] == ["ada"]
    assert (await stubs.posts.UnlikePost(one, **as_ada)).likes_count == 0
    bob = (await stubs.users.GetUser(users_pb2.GetUserRequest(username="bob"))).user_id
    assert (await stubs.follows.FollowUser(follows_pb2.FollowRequest(user_id=bob), **as_ada)).followers_count == 1
    assert (await stubs.follows.UnfollowUser(follows_pb2.FollowRequest(user_id=bob), **as_ada)).followers_count == 0
    assert await stubs.posts.DeletePost(one, **as_ada) == Empty()
    assert (await refusal_of(stubs.posts.GetPost(posts_pb2.GetPostRequest(post_id=created.post_id)))).code == "NOT_FOUND"

    other = await stubs.sessions.SignIn(sessions_pb2.SignInRequest(username="ada", password="correct horse"))
    assert (await stubs.sessions.SignOut(Empty(), **as_ada)).ended
    assert (await refusal_of(stubs.users.GetViewer(Empty(), **as_ada))).code == "UNAUTHENTICATED"
    ada.token = other.token
    assert (await stubs.users.GetViewer(Empty(), metadata=signed(ada))).username == "ada"
