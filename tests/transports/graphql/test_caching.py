"""Caching over HTTP: what answers say of themselves, 304, and what anonymous callers share until something changes."""

import asyncio
import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from app import services, stores
from app.transports.graphql.caching import MAX_TAG_BYTES, tag_header
from tests.clients import Person, TestServer
from tests.transports.graphql.wire import NEW_TYPE, OLD_TYPE, RawAnswer, send

POST = """query Post($id: ID!) { post(id: $id) {
    title content likesCount repliesCount author { name postsCount } replies { content } likers { nodes { name } }
} }"""
USER = """query User($id: ID!) { user(id: $id) {
    name followersCount followingCount postsCount posts { title author { followersCount } }
    followers { nodes { name } } following { nodes { name } }
} }"""
BY_NAME = "query ByName($name: String!) { user(username: $name) { id postsCount } }"
LATEST = "query Latest { latestPosts { nodes { content likesCount } } }"
PERSONAL = "query Personal($id: ID!) { post(id: $id) { content viewerHasLiked } }"
DOCUMENTS = (POST, USER, BY_NAME, LATEST, PERSONAL)


def extension_of(document: str) -> dict[str, Any]:
    """Return the extension that registers a document, or names it."""
    return {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(document.encode()).hexdigest()}}


def target(document: str, *, by: str = "hash", **variables: Any) -> str:
    """Return the address of a query, which names its document by hash or by id, or carries it."""
    digest = hashlib.sha256(document.encode()).hexdigest()
    ways = {
        "hash": {"extensions": json.dumps(extension_of(document))},
        "id": {"documentId": f"sha256:{digest}"},
        "text": {"query": document},
    }
    return "/graphql?" + urlencode({**ways[by], "variables": json.dumps(variables)})


async def ask(server: TestServer, document: str, *, by: str = "hash", headers: dict[str, str] | None = None, **variables: Any):
    """Ask for the document; return the raw answer."""
    sent: dict[str, Any] = {"accept": NEW_TYPE, **(headers or {})}
    return await send(server, method="GET", target=target(document, by=by, **variables), **sent)


def is_hit(answer: RawAnswer) -> bool:
    """Say whether an answer came from the cache."""
    return answer.headers["feedgraph-executor"] == "cache"


def shown(answer: RawAnswer) -> Any:
    """Return the data of a good answer."""
    assert "errors" not in answer.json, answer.json
    return answer.json["data"]


async def primed(server: TestServer, document: str, **variables: Any) -> RawAnswer:
    """Ask until the answer is kept; return what was kept."""
    first = await ask(server, document, **variables)
    second = await ask(server, document, **variables)
    assert [is_hit(first), is_hit(second)] == [False, True]
    assert first.body == second.body
    return second


async def heard(server: TestServer, change) -> Any:
    """Make a change, and wait until its events have arrived in this process; return what the change gives."""
    tail = server.running.resources.tail
    before = tail.cursor
    outcome = await change
    async with asyncio.timeout(5):
        await tail.growth(before)
    return outcome


@pytest.fixture
async def site(server: TestServer) -> TestServer:
    """A server that knows the documents by their hashes."""
    for document in DOCUMENTS:
        await server.graphql(document, extensions=extension_of(document))
    return server


@pytest.fixture
async def ann(site: TestServer) -> Person:
    """Somebody who writes."""
    return await site.person("ann")


@pytest.fixture
async def bob(site: TestServer) -> Person:
    """Somebody who reads."""
    return await site.person("bob")


# What answers say.


async def test_answers_say_how_long_they_stay_good_and_whose_they_are(site, ann):
    post = await heard(site, ann.post("One"))
    said = {
        name: (await ask(site, document, by="text", headers=headers, **variables)).headers.get("cache-control")
        for name, document, headers, variables in [
            ("public", POST, None, {"id": post}),
            ("short", LATEST, None, {}),
            ("personal", PERSONAL, None, {"id": post}),
            ("signed in", POST, ann.headers, {"id": post}),
            ("viewer", "{ viewer { name } }", ann.headers, {}),
            ("feed", "{ feed { nodes { id } } }", ann.headers, {}),
            ("budget", "{ rateLimit { remaining } }", None, {}),
            ("clock", "{ eventCursor }", None, {}),
            ("error", '{ latestPosts(after: "x") { nodes { id } } }', None, {}),
            ("refusal", "{ nothing }", None, {}),
            ("nobody", BY_NAME, None, {"name": "nobody"}),
            ("nobody by id", USER, None, {"id": "99"}),
            ("told", POST, {"feedgraph-cost": "1"}, {"id": post}),
            ("counted", POST, {"feedgraph-counts": "1"}, {"id": post}),
        ]
    }

    assert said == {
        "public": "max-age=30, public",
        "short": "max-age=5, public",
        "personal": "max-age=30, private",
        "signed in": "max-age=30, private",
        "viewer": "max-age=30, private",
    } | dict.fromkeys(("feed", "budget", "clock", "error", "refusal", "nobody", "nobody by id", "told", "counted"), "no-store")


async def test_a_post_says_the_same_of_a_query_and_never_caches_a_mutation(site, ann):
    post = await heard(site, ann.post("One"))

    answer = await site.graphql(POST, {"id": post})
    written = await ann.graphql("mutation($id: ID!) { likePost(id: $id) { post { likesCount } } }", id=post)

    assert answer.headers["Cache-Control"] == "max-age=30, public"
    assert "ETag" not in answer.headers
    assert written.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/graphql", "/graphql?query="])
async def test_what_was_no_request_at_all_is_never_cached(site, path):
    answer = await send(site, method="GET", target=path, accept=NEW_TYPE)

    assert (answer.status, answer.headers["cache-control"]) == (400, "no-store")
    assert "etag" not in answer.headers


async def test_public_answers_name_what_they_show(site, ann, bob):
    await bob.follow(ann)
    top = await heard(site, ann.post("Top"))
    reply = await bob.post("Reply", inReplyToId=top)

    tags = (await ask(site, POST, id=top)).headers["cache-tag"].split(",")
    of_user = (await ask(site, USER, id=ann.id)).headers["cache-tag"].split(",")

    expected = {f"Post:{top}", f"Post:{top}:replies", f"Post:{top}:likers", f"Post:{reply}", f"User:{ann.id}"}
    assert set(tags) == expected
    assert len(tags) == len(set(tags))
    assert {f"User:{ann.id}", f"User:{ann.id}:posts", f"User:{ann.id}:followers", f"User:{bob.id}"} <= set(of_user)
    assert "cache-tag" not in (await ask(site, POST, headers=ann.headers, id=top)).headers


def test_a_header_of_tags_is_bounded():
    assert tag_header({"User:2", "Post:1"}) == "Post:1,User:2"
    many = {f"Post:{10**18 + number}" for number in range(1000)} | {"User:1:posts"}
    assert tag_header(many) == "Post,User"
    assert len(tag_header(set(list(many)[: MAX_TAG_BYTES // 25]))) <= MAX_TAG_BYTES


# 304.


async def test_a_caller_who_has_the_answer_gets_304(site, ann):
    post = await heard(site, ann.post("One"))
    whole = await ask(site, POST, headers=ann.headers, id=post)
    etag = whole.headers["etag"]

    assert etag.startswith('"')
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = await ask(site, POST, headers={**ann.headers, "if-none-match": known}, id=post)
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)
        assert answer.headers["cache-control"] == "max-age=30, private"
        assert {"vary", "ratelimit", "x-request-id", "x-content-type-options"} <= answer.headers.keys()
        assert "content-type" not in answer.headers
    for unknown in ('"other"', etag.strip('"')):
        answer = await ask(site, POST, headers={**ann.headers, "if-none-match": unknown}, id=post)
        assert (answer.status, answer.body) == (200, whole.body)
    await ann.graphql("mutation($id: ID!) { likePost(id: $id) { post { id } } }", id=post)
    assert (await ask(site, POST, headers={**ann.headers, "if-none-match": etag}, id=post)).status == 200


async def test_each_representation_has_its_own_validator(site, ann):
    post = await heard(site, ann.post("One"))
    new, old = [await ask(site, POST, headers={"accept": type_}, id=post) for type_ in (NEW_TYPE, OLD_TYPE)]

    assert new.body == old.body
    assert new.headers["etag"] != old.headers["etag"]


async def test_304_costs_half_of_what_was_executed(start_server):
    server = await start_server(signed_in_points_per_s=1)
    ann = await server.person()
    for _ in range(20):
        await ann.post("One")
    left = []
    headers = {**ann.headers, "if-none-match": '"other"'}
    for _ in range(3):
        answer = await ask(server, LATEST, by="text", headers=headers)
        left.append(int(answer.headers["x-ratelimit-remaining"]))
        headers["if-none-match"] = answer.headers["etag"] if len(left) == 2 else '"other"'

    whole, half = left[0] - left[1], left[1] - left[2]
    assert whole in range(17, 21)  # 20 posts; some points flow back meanwhile
    assert half in range(7, 11)


# Hits.


async def test_a_hit_has_all_that_an_answer_has_and_asks_the_database_nothing(site, ann):
    post = await heard(site, ann.post("One"))
    first = await ask(site, POST, id=post)
    before = site.running.resources.db.statements
    hit = await ask(site, POST, id=post)

    assert site.running.resources.db.statements == before
    assert hit.body == first.body
    assert is_hit(hit)
    same = ("etag", "cache-control", "vary", "cache-tag", "content-type", "server", "x-content-type-options", "x-ratelimit-limit")
    assert {name: hit.headers[name] for name in same} == {name: first.headers[name] for name in same}
    assert int(hit.headers["age"]) in range(5)
    assert first.headers.keys() | {"age"} == hit.headers.keys()
    assert int(first.headers["x-ratelimit-remaining"]) - int(hit.headers["x-ratelimit-remaining"]) <= 1
    ids = {(await ask(site, POST, id=post)).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


async def test_hits_answer_304_and_head(site, ann):
    post = await heard(site, ann.post("One"))
    kept = await primed(site, POST, id=post)

    known = await ask(site, POST, headers={"if-none-match": kept.headers["etag"]}, id=post)
    head = await send(site, method="HEAD", target=target(POST, id=post), accept=NEW_TYPE)

    assert (known.status, known.body, is_hit(known)) == (304, b"", True)
    assert (head.status, is_hit(head), head.headers["etag"]) == (200, True, kept.headers["etag"])
    assert head.headers["content-length"] == str(len(kept.body))


async def test_a_caller_who_names_the_request_gets_the_hit_by_the_long_way(site, ann):
    post = await heard(site, ann.post("One"))
    await primed(site, POST, id=post)

    answer = await ask(site, POST, headers={"x-request-id": "mine"}, id=post)

    assert is_hit(answer)
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["server"] == "feedgraph"


async def test_only_what_everybody_may_have_is_shared(site, ann):
    post = await heard(site, ann.post("One"))
    await primed(site, POST, id=post)

    assert not is_hit(await ask(site, POST, headers=ann.headers, id=post))
    assert (await ask(site, POST, headers={"authorization": "Bearer nobody"}, id=post)).status == 401
    assert (await ask(site, POST, headers={"content-type": "text/plain"}, id=post)).status == 415
    assert not is_hit(await ask(site, POST, headers={"feedgraph-cost": "1"}, id=post))
    assert not is_hit(await ask(site, POST, headers={"accept": OLD_TYPE}, id=post))
    assert is_hit(await ask(site, POST, headers={"accept": f"{NEW_TYPE}, text/html;q=0.1"}, id=post))
    assert (await ask(site, POST, headers={"accept": "image/png"}, id=post)).status == 406
    for _ in range(2):
        assert not is_hit(await ask(site, PERSONAL, id=post))
        assert not is_hit(await ask(site, POST, by="text", id=post))
        assert not is_hit(await ask(site, BY_NAME, name="nobody"))


async def test_errors_are_not_kept(site, ann, monkeypatch):
    post = await heard(site, ann.post("One"))
    whole = stores.posts.by_ids

    async def broken(*_args, **_kwargs):
        raise RuntimeError

    monkeypatch.setattr(stores.posts, "by_ids", broken)
    refused = await ask(site, POST, id=post)
    monkeypatch.setattr(stores.posts, "by_ids", whole)

    assert (refused.codes, refused.headers["cache-control"]) == (["INTERNAL_SERVER_ERROR"], "no-store")
    assert "etag" not in refused.headers
    assert shown(await primed(site, POST, id=post))["post"]["content"] == "One"


async def test_an_answer_is_private_where_somebody_looked_who_the_viewer_is(site, ann, monkeypatch):
    await ann.post("One")
    latest = services.posts.latest

    async def peeking(ctx, page):
        assert ctx.viewer_id is None
        return await latest(ctx, page)

    monkeypatch.setattr(services.posts, "latest", peeking)

    for _ in range(2):
        answer = await ask(site, LATEST)
        assert (answer.headers["cache-control"], is_hit(answer)) == ("max-age=5, private", False)
        assert "cache-tag" not in answer.headers


async def test_a_cache_of_no_bytes_keeps_nothing(start_server):
    server = await start_server(max_response_cache_bytes=0)
    await server.graphql(LATEST, extensions=extension_of(LATEST))

    assert not any([is_hit(await ask(server, LATEST)) for _ in range(3)])


async def test_hits_are_paid(start_server):
    server = await start_server(anonymous_points=40, anonymous_points_per_s=1)
    await server.graphql(LATEST, extensions=extension_of(LATEST))
    answers = [await ask(server, LATEST) for _ in range(45)]

    statuses = [answer.status for answer in answers]
    assert 20 <= statuses.count(200) < 45
    assert statuses == sorted(statuses)
    assert answers[-1].status == 429
    assert (answers[-1].codes, answers[-1].headers["cache-control"]) == (["THROTTLED"], "no-store")
    assert {"retry-after", "ratelimit", "x-ratelimit-remaining"} <= answers[-1].headers.keys()


async def test_trusted_documents_are_shared_by_their_id(start_server, tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({f"sha256:{hashlib.sha256(LATEST.encode()).hexdigest()}": LATEST}))
    server = await start_server(persisted_mode="trusted-only", persisted_manifest=manifest)

    first, second = [await ask(server, LATEST, by="id") for _ in range(2)]

    assert [is_hit(first), is_hit(second)] == [False, True]


async def test_metrics_tell_what_the_cache_does(site, ann):
    post = await heard(site, ann.post("One"))
    kept = await primed(site, POST, id=post)
    await heard(site, ann.post("Two", inReplyToId=post))
    await ask(site, POST, id=post)

    text = (await send(site, method="GET", target="/metrics")).body.decode()

    told = dict(line.split(" ") for line in text.splitlines() if line.startswith("feedgraph_response_cache"))
    assert told["feedgraph_response_cache_hits_total"] == "1.0"
    assert told["feedgraph_response_cache_misses_total"] == "2.0"
    assert told["feedgraph_response_cache_purges_total"] == "1.0"
    assert told["feedgraph_response_cache_entries"] == "1.0"
    assert float(told["feedgraph_response_cache_bytes"]) > len(kept.body)
