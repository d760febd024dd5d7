"""What every exchange over REST has: caching, deadlines, budgets, and pages of other origins."""

import asyncio
import re

import pytest

from tests.transports.rest.asking import ask, check_problem

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

TAG = re.compile(r'"[0-9a-f]{32}"')
FRIEND = "https://friend.example"


async def test_an_answer_that_the_caller_has_is_304_until_it_changes(server):
    ada = await server.person()
    path = f"/users/{ada.id}/posts?first=1"
    await ada.post("Older")
    await ada.post("Old")
    first = await ask(server, path)
    tag = first.headers["ETag"]
    assert TAG.fullmatch(tag)

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await ask(server, path, headers={"If-None-Match": known, "Feedgraph-Cost": "1"})
        assert (again.status, again.raw) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary", "Link"):
            assert again.headers[name] == first.headers[name]
        assert again.headers["Feedgraph-Cost"] == "requested=2, actual=1"
    for other in ('"other"', "garbage", "", tag.strip('"')):
        assert (await ask(server, path, headers={"If-None-Match": other})).status == 200
    assert (await ask(server, path, "HEAD", headers={"If-None-Match": tag})).status == 304
    await ada.post("New")
    changed = await ask(server, path, headers={"If-None-Match": tag})
    assert (changed.status, changed.body[0]["content"]) == (200, "New")
    assert changed.headers["ETag"] != tag


async def test_only_what_strangers_see_may_be_kept_by_others_and_problems_by_nobody(server):
    ada = await server.person()
    post = await ada.post()
    kept = {
        "public, no-cache": await ask(server, f"/posts/{post}"),
        "private, no-cache": await ask(server, f"/posts/{post}", headers=ada.headers),
        "no-store": await ask(server, "/posts/404"),
    }
    for policy, response in kept.items():
        assert response.headers["Cache-Control"] == policy
        assert response.headers["Vary"] == "Accept, Authorization, Accept-Encoding"
    assert "ETag" not in kept["no-store"].headers
    assert (await ask(server, "/rate-limit")).headers["Cache-Control"] == "no-store"


async def test_a_caller_may_ask_for_a_shorter_deadline(server):
    ada = await server.person()
    db = server.running.resources.db
    async with asyncio.timeout(20), db.transaction() as lock:
        await lock.execute("lock table posts in access exclusive mode")
        for method, path, body in (("GET", "/posts", None), ("POST", "/posts", {"content": "x"})):
            headers = {**ada.headers, "X-Request-Timeout": "0.05"}
            check_problem(await ask(server, path, method, json=body, headers=headers), 504, "DEADLINE_EXCEEDED")
    assert await db.fetchval("select count(*) from posts") == 0
    assert (await ask(server, "/posts", headers={"X-Request-Timeout": "999999"})).status == 200
    for text in ("0", "-1", "abc", "", "1e3", "nan", "1000000000", "0.0000001", "٣"):
        check_problem(await ask(server, "/posts", headers={"X-Request-Timeout": text}), 400, "BAD_REQUEST")


async def cost_of(server, path, method="GET", **kwargs):
    """Return what a request was charged at most and in the end."""
    headers = {"Feedgraph-Cost": "1", **kwargs.pop("headers", {})}
    response = await ask(server, path, method, headers=headers, **kwargs)
    told = re.fullmatch(r"requested=(\d+), actual=(\d+)", response.headers["Feedgraph-Cost"])
    assert told
    return int(told[1]), int(told[2])


async def test_a_request_costs_what_it_may_show_and_pays_for_what_it_shows(server):
    ada = await server.person()
    posts = [await ada.post(f"Post {number}") for number in range(4)]
    await ada.post("Reply", inReplyToId=posts[0])

    assert await cost_of(server, f"/users/{ada.id}") == (2, 2)
    assert await cost_of(server, f"/users/{ada.id}/posts") == (21, 5)
    assert await cost_of(server, f"/users/{ada.id}/posts?first=3&include=author,viewer") == (7, 7)
    # Of each of the 10: itself, its author, and twice a reply with its author.
    assert await cost_of(server, f"/users/{ada.id}/posts?first=10&include=author,replies.author&repliesFirst=2") == (61, 11)
    assert await cost_of(server, f"/posts?ids={posts[0]},404") == (3, 2)
    assert await cost_of(server, "/posts/404") == (2, 2)
    assert await cost_of(server, "/posts", "POST", json={"content": "x"}, headers=ada.headers) == (11, 11)
    assert await cost_of(server, f"/posts/{posts[0]}", "DELETE", headers=ada.headers) == (11, 10)


async def test_rest_and_graphql_spend_from_one_bucket_and_whoever_has_nothing_left_waits(start_server):
    server = await start_server(signed_in_points=100, signed_in_points_per_s=1)
    ada = await server.person()
    await ada.post()
    before = (await ask(server, "/rate-limit", headers=ada.headers)).body
    assert (before["limit"], before["cost"]) == (100, 2)
    await ada.graphql("{ latestPosts(first: 20) { nodes { id } } }")
    after = await ask(server, "/rate-limit", headers=ada.headers)
    assert after.body["remaining"] < before["remaining"]
    assert after.headers["RateLimit-Policy"] == '"signed-in";q=100;w=100;qu="points"'

    for _ in range(10):
        refused = await ask(server, "/posts", "POST", json={"content": "x"}, headers=ada.headers)
        if refused.status != 201:
            break
    check_problem(refused, 429, "THROTTLED")
    assert int(refused.headers["Retry-After"]) == refused.body["retryAfter"] > 0
    assert refused.headers["X-RateLimit-Limit"] == "100"
    assert (await ada.graphql('mutation { createPost(input: {content: "x"}) { post { id } } }')).codes == ["THROTTLED"]
    assert (await ask(server, "/posts")).status == 200  # strangers have a bucket of their own


async def test_what_is_too_large_is_refused_as_in_graphql(start_server):
    server = await start_server(max_nodes=300, max_cost=200)
    for path, code in (
        ("/posts?first=100&include=author,replies.author", "NODE_LIMIT"),
        ("/posts?first=100&include=author", "COST_ESTIMATED_TOO_EXPENSIVE"),
    ):
        check_problem(await ask(server, path), 400, code)
    assert (await ask(server, "/posts?first=99&include=author")).status == 200


async def test_more_requests_at_once_than_one_caller_may_run_are_refused(start_server):
    server = await start_server(max_running_per_caller=2, query_timeout_s=60)
    db = server.running.resources.db
    async with asyncio.timeout(20):
        async with db.transaction() as lock:
            await lock.execute("lock table posts in access exclusive mode")
            tasks = [asyncio.create_task(ask(server, "/posts")) for _ in range(3)]
            done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        check_problem(done.pop().result(), 503, "OVERLOADED")
        assert [(await task).status for task in waiting] == [200, 200]


@pytest.mark.parametrize("path", ["/graphql", "/api/v1/posts", "/api/openapi.json", "/healthz"])
async def test_pages_of_listed_origins_may_call_every_face_and_others_none(start_server, path):
    server = await start_server(allowed_origins=[FRIEND])
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type, idempotency-key"}

    preflight = await ask_raw(server, path, "OPTIONS", {"Origin": FRIEND, **asked})
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Headers"] == "content-type, idempotency-key"
    assert {"POST", "PUT", "PATCH", "DELETE"} <= set(preflight.headers["Access-Control-Allow-Methods"].split(", "))
    for origin, allowed in ((FRIEND, FRIEND), ("https://FRIEND.example", "https://FRIEND.example"), ("null", None), (None, None)):
        answer = await ask_raw(server, path, "GET", {"Origin": origin} if origin else {})
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert ("ETag" in answer.headers.get("Access-Control-Expose-Headers", "")) == (allowed is not None)
        assert answer.headers["Vary"].endswith("Origin")
        assert "Access-Control-Allow-Credentials" not in answer.headers
    stranger = await ask_raw(server, path, "OPTIONS", {"Origin": "https://friend.example.evil", **asked})
    assert not [name for name in stranger.headers if name.startswith("Access-Control")]


async def test_without_a_list_no_page_of_another_origin_is_let_in(server):
    answer = await ask_raw(server, "/api/v1/posts", "GET", {"Origin": FRIEND})
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert "Origin" not in answer.headers["Vary"]


async def ask_raw(server, path, method, headers):
    """Send a request to any address of the server."""
    async with server.http.request(method, server.url + path, headers=headers) as response:
        await response.read()
        return response
