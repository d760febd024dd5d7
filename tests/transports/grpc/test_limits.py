"""What the face refuses, and how it says so: the codes of all faces, with details that a program can read."""

import asyncio
import dataclasses

import pytest
from grpc import StatusCode, aio

from app import services
from app.domain.errors import ConfigurationError
from app.transports.errors import ROWS
from app.transports.grpc import server as face
from app.transports.grpc.requests import address_of as address_of_peer
from app.transports.grpc.requests import rows_of
from app.transports.grpc.statuses import code_number
from app.transports.grpc.stubs import follows_pb2, pages_pb2, posts_pb2, users_pb2
from tests.conftest import make_settings
from tests.grpc_calls import connected, refusal_of, signed

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

WAITING = "select count(*) from pg_locks where not granted"  # pg_stat_activity stands still in a transaction
STATUSES = {
    "UNAUTHENTICATED": "UNAUTHENTICATED",
    "FORBIDDEN": "PERMISSION_DENIED",
    "NOT_FOUND": "NOT_FOUND",
    "BAD_USER_INPUT": "INVALID_ARGUMENT",
    "PAGE_SIZE": "INVALID_ARGUMENT",
    "CURSOR_INVALID": "OUT_OF_RANGE",
    "THROTTLED": "RESOURCE_EXHAUSTED",
    "DEADLINE_EXCEEDED": "DEADLINE_EXCEEDED",
    "OVERLOADED": "UNAVAILABLE",
    "CONFLICT": "ABORTED",
}
ANY_USER = posts_pb2.UserRequest(user_id="1")


async def until_waiting(db, number: int) -> None:
    """Wait until so many statements wait for a lock."""
    async with asyncio.timeout(10):
        while await db.fetchval(WAITING) != number:  # noqa: ASYNC110  # PostgreSQL tells nobody
            await asyncio.sleep(0.01)


async def test_a_refusal_names_the_code_of_all_faces_and_the_field_of_the_request(stubs, server):
    ada = await server.person()
    me = signed(ada)
    page = pages_pb2.Page
    s = stubs.posts
    written = posts_pb2.CreatePostRequest
    for call, code, field in (
        (s.GetPostsForUser(posts_pb2.UserRequest()), "BAD_USER_INPUT", "user_id"),
        (s.GetPostsForUser(posts_pb2.UserRequest(user_id="404")), "NOT_FOUND", None),
        (s.GetLatestPosts(posts_pb2.GetLatestPostsRequest(page=page(first=1, last=1))), "BAD_USER_INPUT", "page.last"),
        (s.GetLatestPosts(posts_pb2.GetLatestPostsRequest(page=page(last=-1))), "PAGE_SIZE", None),
        (s.GetLatestPosts(posts_pb2.GetLatestPostsRequest(page=page(after=""))), "CURSOR_INVALID", None),
        (s.GetPosts(posts_pb2.GetPostsRequest(post_ids=["1", "-1"])), "BAD_USER_INPUT", "post_ids[1]"),
        (s.GetPosts(posts_pb2.GetPostsRequest(post_ids=["1"] * 101)), "BAD_USER_INPUT", "post_ids"),
        (s.CreatePost(written(content="x")), "UNAUTHENTICATED", None),
        (s.CreatePost(written(content="\0"), metadata=me), "BAD_USER_INPUT", "content"),
        (s.CreatePost(written(content="x", in_reply_to_id="x"), metadata=me), "BAD_USER_INPUT", "in_reply_to_id"),
        (s.CreatePost(written(content="x", idempotency_key=""), metadata=me), "BAD_USER_INPUT", "idempotency_key"),
        (s.EditPost(posts_pb2.EditPostRequest(post_id="1"), metadata=me), "BAD_USER_INPUT", "content"),
        (stubs.users.GetUser(users_pb2.GetUserRequest()), "BAD_USER_INPUT", "user_id"),
        (stubs.follows.FollowUser(follows_pb2.FollowRequest(user_id=ada.id), metadata=me), "BAD_USER_INPUT", "user_id"),
    ):
        refused = await refusal_of(call)
        assert (refused.status.name, refused.code, refused.field) == (STATUSES[code], code, field), refused
        assert refused.message
        assert refused.retry_after_s is None


@pytest.mark.parametrize("value", ["Basic abc", "Bearer", "Bearer  ", "Bearer nobody's", "nonsense", ""])
async def test_a_token_that_is_none_is_refused(stubs, value):
    refused = await refusal_of(stubs.posts.GetPostsForUser(ANY_USER, metadata=(("authorization", value),)))
    assert (refused.status, refused.code) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


@pytest.mark.parametrize("body", [b"\xff\xff", b"\x0a\x05ab", b"\x0a\x01\xff"], ids=["garbage", "cut off", "no UTF-8"])
async def test_bytes_that_are_no_request_are_refused(stubs, body):
    refused = await refusal_of(stubs.channel.unary_unary("/PostService/GetPostsForUser")(body))
    assert (refused.status, refused.code) == (StatusCode.INVALID_ARGUMENT, "BAD_REQUEST")
    with pytest.raises(aio.AioRpcError) as ended:
        await stubs.channel.unary_stream("/Events/Follow")(body).read()
    assert ended.value.code() is StatusCode.INVALID_ARGUMENT


async def test_what_was_not_meant_is_masked_and_told_by_an_id(stubs, monkeypatch):
    async def broken(*_args):
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(services.posts, "latest", broken)
    refused = await refusal_of(stubs.posts.GetLatestPosts(posts_pb2.GetLatestPostsRequest()))
    assert (refused.status, refused.code) == (StatusCode.INTERNAL, "INTERNAL_SERVER_ERROR")
    assert "secret" not in str(refused)
    assert len(refused.info["errorId"]) == 16


async def test_what_is_too_large_or_unknown_never_reaches_a_service(stubs):
    assert (await refusal_of(stubs.posts.GetPostsForUser(posts_pb2.UserRequest(user_id="1" * 300_000)))).status is (
        StatusCode.RESOURCE_EXHAUSTED
    )
    large = (("x-large", "x" * 20_000),)
    assert (await refusal_of(stubs.posts.GetPostsForUser(ANY_USER, metadata=large))).status is StatusCode.RESOURCE_EXHAUSTED
    assert (await refusal_of(stubs.channel.unary_unary("/PostService/Nothing")(b""))).status is StatusCode.UNIMPLEMENTED
    expensive = posts_pb2.GetRepliesRequest(post_ids=["1"] * 100, page=pages_pb2.Page(first=100))
    assert (await refusal_of(stubs.posts.GetReplies(expensive))).code == "COST_ESTIMATED_TOO_EXPENSIVE"


async def test_one_bucket_pays_for_graphql_and_grpc(start_server):
    server = await start_server(grpc=True, anonymous_points=40, anonymous_points_per_s=1)
    ada = await server.person()
    async with connected(server) as stubs:
        for _ in range(10):
            await stubs.posts.GetPostsForUser(posts_pb2.UserRequest(user_id=ada.id))  # 21 at most, and 2: the user has none
        spent = await server.graphql("{ a: node(id: 404) { id } b: node(id: 404) { id } c: node(id: 404) { id } }")
        assert spent.status == 200
        page = pages_pb2.Page(first=35)
        throttled = await refusal_of(stubs.posts.GetPostsForUser(posts_pb2.UserRequest(user_id=ada.id, page=page)))
        assert (throttled.status, throttled.code) == (StatusCode.RESOURCE_EXHAUSTED, "THROTTLED")
        assert throttled.retry_after_s is not None
        assert 1 <= throttled.retry_after_s <= 40
        await stubs.posts.GetPostsForUser(posts_pb2.UserRequest(user_id=ada.id, page=page), metadata=signed(ada))


@pytest.mark.parametrize(
    ("request_", "rows"),
    [
        (posts_pb2.GetPostRequest(), 0),
        (posts_pb2.GetPostRequest(with_author=True, with_media=True), 5),
        (posts_pb2.GetPostsRequest(post_ids=["1", "2"], with_author=True), 4),
        (posts_pb2.GetPostsRequest(with_author=True, with_media=True), 0),
        (posts_pb2.GetRepliesRequest(post_ids=["1", "2"], page=pages_pb2.Page(first=3), with_media=True), 30),
    ],
)
def test_a_call_is_charged_for_all_that_its_answer_may_show(request_, rows):
    assert rows_of(request_, largest_page=100) == rows


async def test_a_caller_runs_only_so_many_calls_at_once(start_server, db):
    server = await start_server(grpc=True, max_running_per_caller=2)
    async with connected(server) as stubs, db.transaction() as lock:
        await lock.execute("lock table users in access exclusive mode")
        running = [asyncio.ensure_future(refusal_of(stubs.posts.GetPostsForUser(ANY_USER))) for _ in range(2)]
        await until_waiting(lock, 2)
        refused = await refusal_of(stubs.posts.GetPostsForUser(ANY_USER))
        assert (refused.status, refused.code, refused.retry_after_s) == (StatusCode.UNAVAILABLE, "OVERLOADED", 1)
        running[0].cancel()
        running[1].cancel()
        await until_waiting(lock, 0)


async def test_the_deadline_of_the_caller_or_of_the_server_stops_the_statement(start_server, db):
    server = await start_server(grpc=True, query_timeout_s=0.5)
    async with connected(server) as stubs, db.transaction() as lock:
        await lock.execute("lock table users in access exclusive mode")
        for timeout_s in (0.2, None, 30):
            call = asyncio.ensure_future(refusal_of(stubs.posts.GetPostsForUser(ANY_USER, timeout=timeout_s)))
            await until_waiting(lock, 1)
            refused = await call
            assert refused.status is StatusCode.DEADLINE_EXCEEDED
            if timeout_s != 0.2:  # else the caller's own library may have been first to give up
                assert refused.code == "DEADLINE_EXCEEDED"
            await until_waiting(lock, 0)


async def test_a_caller_who_leaves_stops_a_read_and_not_a_write(stubs, server, db):
    ada = await server.person()
    async with db.transaction() as lock:
        await lock.execute("lock table users in exclusive mode")
        write = stubs.posts.CreatePost(posts_pb2.CreatePostRequest(content="Kept"), metadata=signed(ada))
        await until_waiting(lock, 1)
        write.cancel()
        late = stubs.posts.CreatePost(posts_pb2.CreatePostRequest(content="Too late"), metadata=signed(ada), timeout=0.3)
        assert (await refusal_of(late)).status is StatusCode.DEADLINE_EXCEEDED
        await until_waiting(lock, 1)
    async with asyncio.timeout(10):
        while not (found := await db.fetch("select content from posts")):  # noqa: ASYNC110  # the caller has left
            await asyncio.sleep(0.01)
    assert [row["content"] for row in found] == ["Kept"]
    async with db.transaction() as lock:
        await lock.execute("lock table posts in access exclusive mode")
        read = stubs.posts.GetLatestPosts(posts_pb2.GetLatestPostsRequest())
        await until_waiting(lock, 1)
        read.cancel()
        await until_waiting(lock, 0)


async def test_every_code_has_a_status_of_grpc():
    assert all(code_number(StatusCode[row.grpc_status]) > 0 for row in ROWS.values())
    assert {code: ROWS[code].grpc_status for code in STATUSES} == STATUSES


async def all_is_well() -> dict[str, str]:
    return {"database": "ok"}


async def test_a_port_in_use_is_said_clearly(server):
    resources = server.running.resources
    taken = make_settings(grpc=True, grpc_port=resources.settings.grpc_port)
    with pytest.raises(ConfigurationError) as refused:
        async with face.serving(dataclasses.replace(resources, settings=taken), all_is_well):
            pass
    assert str(taken.grpc_port) in refused.value.message
    assert "FEEDGRAPH_GRPC_PORT" in refused.value.message


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:4711", "127.0.0.1"),
        ("ipv6:%5B::1%5D:4711", "::1"),
        ("ipv6:[2001:db8::2]:1", "2001:db8::2"),
        ("unix:", ""),
    ],
)
def test_the_callers_address_is_read_from_the_peers_name(peer, address):
    assert address_of_peer(peer) == address
