"""REST's resources: shapes, addresses, pages and what they cost."""

import asyncio
import re

import pytest

from tests.transports.rest.asking import POST_KEYS, USER_KEYS, ask, check_problem

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
async def ada(server):
    """Somebody with 7 posts, the newest of which has 7 replies by 7 followers whom she follows."""
    ada = await server.person("ada")
    ada.posts = [await ada.post(f"Post {number}") for number in range(7)]
    ada.replies, ada.followers = [], []
    for _ in range(7):
        fan = await server.person()
        await fan.follow(ada)
        await ada.follow(fan)
        ada.followers.append(fan.id)
        ada.replies.append(await fan.post("A reply", inReplyToId=ada.posts[-1]))
    return ada


def lists(ada):
    """Return every list with its expected ids, newest first, and the key of its ids."""
    return {
        f"/users/{ada.id}/posts": (ada.posts[::-1], "postId"),
        f"/users/{ada.id}/followers": (ada.followers[::-1], "userId"),
        f"/users/{ada.id}/following": (ada.followers[::-1], "userId"),
        f"/posts/{ada.posts[-1]}/replies": (ada.replies[::-1], "postId"),
        "/feed": ([*ada.replies[::-1], *ada.posts[::-1]], "postId"),
    }


async def test_a_user_has_exactly_these_keys(server, ada):
    response = await ask(server, f"/users/{ada.id}")
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert set(response.body) == USER_KEYS
    assert TIME.fullmatch(response.body.pop("createdAt"))
    assert response.body | {"createdAt": 0} == {
        **{"userId": ada.id, "username": "ada", "name": "Ada", "bio": None, "avatarUrl": None, "createdAt": 0},
        **{"followersCount": 7, "followingCount": 7, "postsCount": 7},
    }


async def test_a_post_and_a_reply_have_exactly_these_keys(server, ada):
    post = (await ask(server, f"/posts/{ada.posts[-1]}")).body
    reply = (await ask(server, f"/posts/{ada.replies[0]}")).body
    assert set(post) == set(reply) == POST_KEYS
    assert TIME.fullmatch(post["createdAt"])
    assert post | {"createdAt": 0} == {
        **{"postId": ada.posts[-1], "title": None, "content": "Post 6", "authorId": ada.id, "createdAt": 0, "editedAt": None},
        **{"inReplyToId": None, "likesCount": 0, "repliesCount": 7, "repostsCount": 0},
    }
    assert (reply["inReplyToId"], reply["authorId"]) == (ada.posts[-1], ada.followers[0])


async def test_every_list_is_an_array_of_whole_resources_newest_first(server, ada):
    for path, (ids, key) in lists(ada).items():
        response = await ask(server, path, headers=ada.headers)
        assert response.status == 200
        assert [row[key] for row in response.body] == ids
        assert all(set(row) == (USER_KEYS if key == "userId" else POST_KEYS) for row in response.body)
        assert response.links == {}


@pytest.mark.parametrize("size", [1, 3, 7])
async def test_following_the_links_covers_every_list_once_in_both_directions(server, ada, size):
    for path, (ids, key) in lists(ada).items():
        assert await walk(server, ada, f"{path}?first={size}", "next", key) == ids
        assert await walk(server, ada, f"{path}?last={size}", "prev", key) == ids


async def walk(server, person, path, rel, key):
    """Follow one relation to its end; return all ids in the list's order."""
    seen: list[str] = []
    while path:
        response = await ask(server, path, headers=person.headers)
        assert response.status == 200
        ids = [row[key] for row in response.body]
        seen = [*seen, *ids] if rel == "next" else [*ids, *seen]
        path = response.links.get(rel, "")
    return seen


async def test_a_link_keeps_other_parameters_and_leads_back(server, ada):
    path = f"/users/{ada.id}/posts"
    first = await ask(server, f"{path}?lang=d%C3%A9&first=3")
    assert set(first.links) == {"next"}
    assert "lang=d%C3%A9" in first.links["next"]
    second = await ask(server, first.links["next"])
    assert set(second.links) == {"next", "prev"}
    back = await ask(server, second.links["prev"])
    assert back.body == first.body


async def test_cursors_of_graphql_work_in_rest_and_cursors_of_rest_in_graphql(server, ada):
    query = """query($id: ID!, $after: Cursor) {
        user(id: $id) { postsConnection(first: 2, after: $after) { nodes { id } pageInfo { endCursor } } }
    }"""
    page = (await server.graphql(query, {"id": ada.id})).data["user"]["postsConnection"]

    rest = await ask(server, f"/users/{ada.id}/posts?first=2&after={page['pageInfo']['endCursor']}")
    assert [post["postId"] for post in rest.body] == ada.posts[::-1][2:4]
    after = re.search(r"after=([\w-]+)", rest.links["next"])
    assert after
    page = (await server.graphql(query, {"id": ada.id, "after": after[1]})).data["user"]["postsConnection"]
    assert [post["id"] for post in page["nodes"]] == ada.posts[::-1][4:6]
    check_problem(await ask(server, f"/posts/{ada.posts[0]}/replies?after={after[1]}"), 400, "CURSOR_INVALID")


@pytest.mark.parametrize("name", ["first", "last"])
async def test_a_page_of_nothing_is_an_empty_array_without_links(server, ada, name):
    response = await ask(server, f"/users/{ada.id}/posts?{name}=0")
    assert (response.status, response.body, response.links) == (200, [], {})


SIZES_OUT_OF_RANGE = ("101", "-1", "999999999", "-999999999")
NO_NUMBERS = ("abc", "", "1.5", "1e1", "%2B1", "--1", "-", "%D9%A3", "%00", "9" * 99)
NO_CURSORS = ("garbage", "", "%00", "%FF", "%F0%9F%98%80", "a" * 3_000)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        *((f"{name}={size}", 422, "PAGE_SIZE") for name in ("first", "last") for size in SIZES_OUT_OF_RANGE),
        *((f"first={text}", 422, "BAD_USER_INPUT") for text in NO_NUMBERS),
        ("first=1&last=1", 422, "BAD_USER_INPUT"),
        *((f"{name}={text}", 400, "CURSOR_INVALID") for name in ("after", "before") for text in NO_CURSORS),
    ],
)
async def test_a_page_that_cannot_be_is_a_problem_on_every_list(server, query, status, code):
    ada = await server.person()
    post = await ada.post()
    for path in (f"/users/{ada.id}/posts", f"/users/{ada.id}/followers", f"/posts/{post}/replies", "/feed"):
        check_problem(await ask(server, f"{path}?{query}", headers=ada.headers), status, code)


@pytest.mark.parametrize(
    "id_", ["0", "-1", "abc", "01", "%00", "1%00", "%FF", "%F0%9F%98%80", "9223372036854775808", "9" * 400, "1.0"]
)
async def test_an_id_that_is_none_names_its_field(server, id_):
    for path in (f"/users/{id_}", f"/users/{id_}/posts", f"/users/{id_}/followers", f"/posts/{id_}", f"/posts/{id_}/replies"):
        response = await ask(server, path)
        check_problem(response, 422, "BAD_USER_INPUT")
        assert response.body["field"] == "id"


async def test_an_unknown_thing_a_thing_of_another_type_and_a_hidden_one_are_not_found(server):
    ada = await server.person()
    post = await ada.post()
    await server.running.resources.db.execute("update posts set hidden_at = now()")
    for path in (
        "/users/9223372036854775807",
        f"/users/{post}/posts",
        f"/posts/{ada.id}",
        f"/posts/{post}",
        f"/posts/{post}/replies",
    ):
        check_problem(await ask(server, path), 404, "NOT_FOUND")
    assert (await ask(server, f"/posts/{post}", headers=ada.headers)).status == 200


async def test_an_unknown_address_is_a_problem_too(server):
    for path in ("/api/v1/", "/api/v1/nothing", "/api/v1/posts/", "/api/v2/users/1", "/api/v1/users/1/2/3", "/api/v1/users/"):
        check_problem(await ask(server, path), 404, "NOT_FOUND")


METHODS = {
    "/users": {"GET", "HEAD", "POST"},
    "/users/1": {"GET", "HEAD"},
    "/users/1/posts": {"GET", "HEAD"},
    "/users/1/follow": {"PUT", "DELETE"},
    "/posts": {"GET", "HEAD", "POST"},
    "/posts/1": {"GET", "HEAD", "PATCH", "DELETE"},
    "/posts/1/like": {"PUT", "DELETE"},
    "/feed": {"GET", "HEAD"},
    "/sessions": {"POST"},
    "/sessions/current": {"DELETE"},
}


async def test_an_address_tells_its_methods_and_refuses_others(server):
    for path, methods in METHODS.items():
        has = methods | {"OPTIONS"}
        options = await ask(server, path, "OPTIONS")
        assert (options.status, options.raw, set(options.headers["Allow"].split(", "))) == (204, b"", has)
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "PURGE"} - has:
            response = await ask(server, path, method)
            check_problem(response, 405, "METHOD_NOT_ALLOWED")
            assert set(response.headers["Allow"].split(",")) == has


async def test_head_gives_the_headers_of_get_and_no_body(server, ada):
    path = f"/users/{ada.id}/posts?first=2"
    head, get = await ask(server, path, "HEAD"), await ask(server, path)
    assert (head.status, head.raw) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Link", "Vary", "Cache-Control", "X-Content-Type-Options"):
        assert head.headers[name] == get.headers[name]
    assert (await ask(server, "/users/404", "HEAD")).status == 404


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Basic YTpi", "Bearer " + "x" * 500, "token"])
async def test_a_token_that_is_nobodys_is_401_with_a_challenge_on_every_address(server, header):
    for path in ("/users/1", "/posts/1", "/feed", "/posts/1/replies"):
        response = await ask(server, path, headers={"Authorization": header})
        check_problem(response, 401, "UNAUTHENTICATED")
        assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_the_feed_needs_a_session(server):
    check_problem(await ask(server, "/feed"), 401, "UNAUTHENTICATED")


async def test_the_cost_is_told_to_whoever_asks(server, ada):
    async def statements(path, headers):
        response = await ask(server, path, headers={"Feedgraph-Counts": "1", **headers})
        told = dict(part.split("=") for part in response.headers["Feedgraph-Counts"].split(", "))
        assert int(told["bytes"]) == len(response.raw)
        assert set(told) == {"requests", "statements", "rows", "batches", "bytes"}
        return int(told["statements"])

    paths = {f"/users/{ada.id}": 1, f"/posts/{ada.posts[0]}": 1, **{path: 2 for path in lists(ada)}, "/feed": 1}
    for path, expected in paths.items():
        assert await statements(path, ada.headers) == expected + 1
        if path != "/feed":
            assert await statements(path, {}) == expected
    assert "Feedgraph-Counts" not in (await ask(server, f"/users/{ada.id}")).headers


async def test_a_read_that_takes_too_long_is_stopped_at_its_deadline(start_server):
    server = await start_server(query_timeout_s=0.3, statement_timeout_s=60)
    ada = await server.person()
    db = server.running.resources.db
    async with asyncio.timeout(20), db.transaction() as lock:
        await lock.execute("lock table posts in access exclusive mode")
        check_problem(await ask(server, "/feed", headers=ada.headers), 504, "DEADLINE_EXCEEDED")
        check_problem(await ask(server, f"/users/{ada.id}/posts"), 504, "DEADLINE_EXCEEDED")
        waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        while await db.fetchval(waiting):  # noqa: ASYNC110  # only the database knows; a cancelled statement ends a moment later
            await asyncio.sleep(0.02)
    assert (await ask(server, "/feed", headers=ada.headers)).status == 200


async def test_a_write_that_takes_too_long_is_stopped_at_its_deadline_and_leaves_nothing(start_server):
    server = await start_server(mutation_timeout_s=0.3, statement_timeout_s=60)
    ada = await server.person()
    db = server.running.resources.db
    async with asyncio.timeout(20), db.transaction() as lock:
        await lock.execute("lock table posts in exclusive mode")
        check_problem(await ask(server, "/posts", "POST", json={"content": "x"}, headers=ada.headers), 504, "DEADLINE_EXCEEDED")
    assert await db.fetchval("select count(*) from posts") == 0
