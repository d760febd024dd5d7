"""Images: uploaded, given to posts, shown to whoever sees these, and gone with them."""

import asyncio

import pytest

from app import stores
from app.services import posts
from tests.pictures import SECRET, opened, photo, picture
from tests.transports.graphql.wire import connected
from tests.transports.rest.asking import ask, check_problem

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

CREATE = "mutation($input: CreatePostInput!) { createPost(input: $input) { post { id media { id } } } }"
SHOWN = "id url thumbnailUrl type width height alt"
DAY_S = 86_400


async def upload(person, file=None, *, alt=None, media_type="image/png"):
    """Send an image."""
    query = "" if alt is None else f"?alt={alt}"
    headers = person.headers | {"Content-Type": media_type}
    return await ask(person.server, f"/media{query}", "POST", data=picture() if file is None else file, headers=headers)


async def uploaded(person):
    """Send an image; return its id."""
    return (await upload(person)).body["mediaId"]


async def create(person, *ids, content="With images", **more):
    """Write a post with these images over REST."""
    return await ask(
        person.server, "/posts?include=media", "POST", json={"content": content, "mediaIds": ids}, headers=person.headers, **more
    )


async def test_an_image_is_kept_clean_and_belongs_to_nobody_else_until_it_has_a_post(server):
    ada, bob = await server.person(), await server.person()
    response = await upload(ada, photo(), alt="Ein%20Tor%20%E2%9C%A8", media_type="image/jpeg")
    media = response.body
    path = f"/api/v1/media/{media['mediaId']}"
    assert (response.status, response.headers["Location"]) == (201, path)
    file = await ask(server, media["url"], headers=ada.headers)
    assert media == {
        **{"mediaId": media["mediaId"], "postId": None, "url": f"{path}/file", "thumbnailUrl": f"{path}/thumbnail"},
        **{"type": "image/jpeg", "width": 6, "height": 8, "size": len(file.raw), "alt": "Ein Tor ✨"},
        "createdAt": media["createdAt"],
    }
    assert (await ask(server, path, headers=ada.headers)).body == media
    assert (file.headers["Content-Type"], opened(file.raw).size, SECRET in file.raw) == ("image/jpeg", (6, 8), False)
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert file.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert file.headers["Cache-Control"] == "private, no-cache"
    small = await ask(server, media["thumbnailUrl"], headers=ada.headers)
    assert (small.headers["Content-Type"], opened(small.raw).format) == ("image/webp", "WEBP")
    assert small.headers["ETag"] != file.headers["ETag"]
    head = await ask(server, media["url"], "HEAD", headers=ada.headers)
    assert (head.status, head.raw, head.headers["Content-Length"]) == (200, b"", str(len(file.raw)))
    again = await ask(server, media["url"], headers=ada.headers | {"If-None-Match": file.headers["ETag"]})
    assert (again.status, again.raw, again.headers["ETag"]) == (304, b"", file.headers["ETag"])
    node = "query($id: ID!) { node(id: $id) { __typename ... on Media { url alt } } }"
    shown = {"__typename": "Media", "url": media["url"], "alt": "Ein Tor ✨"}
    assert (await ada.graphql(node, id=media["mediaId"])).data["node"] == shown
    assert (await ask(server, f"/nodes?ids={media['mediaId']}", headers=ada.headers)).body == [media]
    anonymous: dict[str, str] = {}
    for headers in (bob.headers, anonymous):
        for address in (path, media["url"], media["thumbnailUrl"]):
            check_problem(await ask(server, address, headers=headers | {"If-None-Match": "*"}), 404, "NOT_FOUND")
        assert (await ask(server, f"/nodes?ids={media['mediaId']}", headers=headers)).body == [None]


async def test_a_post_shows_its_images_in_their_order_to_everybody_on_every_face(server):
    ada = await server.person()
    first, second, third = [await uploaded(ada) for _ in range(3)]
    post = (await create(ada, third, first)).body
    assert [media["mediaId"] for media in post["media"]] == [third, first]
    made = (await ada.graphql(CREATE, input={"content": "Second", "mediaIds": [second]})).data["createPost"]["post"]
    assert [media["id"] for media in made["media"]] == [second]
    plain = await ada.post("Without")
    query = f"{{ user(id: {ada.id}) {{ posts {{ id media {{ {SHOWN} }} replies {{ media {{ id }} }} }} }} }}"
    answer = await server.graphql(query, headers={"Feedgraph-Counts": "1"})
    shown = {row["id"]: row["media"] for row in answer.data["user"]["posts"]}
    assert {id_: [media["id"] for media in rows] for id_, rows in shown.items()} == {
        plain: [],
        made["id"]: [second],
        post["postId"]: [third, first],
    }
    path = f"/api/v1/media/{third}"
    assert shown[post["postId"]][0] == {
        **{"id": third, "url": f"{path}/file", "thumbnailUrl": f"{path}/thumbnail"},
        **{"type": "image/png", "width": 8, "height": 6, "alt": None},
    }
    assert answer.body["extensions"]["counts"]["statements"] == 4  # the user, the posts, all images, all replies
    assert opened((await ask(server, shown[post["postId"]][0]["url"])).raw).size == (8, 6)
    rest = await ask(server, f"/users/{ada.id}/posts?include=media&fields=media.url,title", headers={"Feedgraph-Counts": "1"})
    assert rest.body[-1] == {"postId": post["postId"], "title": None, "media": [
        {"mediaId": id_, "url": f"/api/v1/media/{id_}/file"} for id_ in (third, first)
    ]}  # fmt: skip
    assert "statements=3," in rest.headers["Feedgraph-Counts"]  # the user, the posts, all images
    assert "media" not in (await ask(server, f"/posts/{post['postId']}")).body


async def test_only_images_of_one_s_own_that_have_no_post_can_be_attached(server):
    ada, bob = await server.person(), await server.person()
    mine, taken, theirs = await uploaded(ada), await uploaded(ada), await uploaded(bob)
    await create(ada, taken)
    for ids, status, code in (
        ([mine, theirs], 404, "NOT_FOUND"),
        ([mine, "404"], 404, "NOT_FOUND"),
        ([mine, taken], 409, "CONFLICT"),
        ([mine, mine], 422, "BAD_USER_INPUT"),
        (["1", "2", "3", "4", "5"], 422, "BAD_USER_INPUT"),
        ([7], 422, "BAD_USER_INPUT"),
        (["-1"], 422, "BAD_USER_INPUT"),
    ):
        check_problem(await create(ada, *ids), status, code)
        assert (await ada.graphql(CREATE, input={"content": "No", "mediaIds": ids})).codes == [code] if ids != [7] else True
    db = server.running.resources.db
    assert await db.fetchval("select count(*) from posts") == 1  # a refusal leaves no post
    answers = await asyncio.gather(*(create(ada, mine) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]


async def test_a_repeated_post_keeps_its_images_and_other_images_make_another_post(server):
    ada = await server.person()
    first, second = await uploaded(ada), await uploaded(ada)
    key = {"headers": ada.headers | {"Idempotency-Key": "k"}}

    async def written(*ids):
        return await ask(server, "/posts?include=media", "POST", json={"content": "Once", "mediaIds": ids}, **key)

    posts_ = [await written(first), await written(first)]
    assert posts_[0].body == posts_[1].body
    check_problem(await written(second), 422, "IDEMPOTENCY_MISMATCH")
    check_problem(await written(), 422, "IDEMPOTENCY_MISMATCH")


async def test_images_are_hidden_and_deleted_with_their_post(server):
    ada, bob = await server.person(), await server.person()
    media, db = await uploaded(ada), server.running.resources.db
    post, path = (await create(ada, media)).body["postId"], f"/media/{media}/file"
    tag = {"If-None-Match": (await ask(server, path)).headers["ETag"]}
    assert (await ask(server, path, headers=tag)).status == 304
    await posts.hide(db, int(post), hidden=True)
    for headers in (tag, bob.headers | tag):
        check_problem(await ask(server, path, headers=headers), 404, "NOT_FOUND")
    assert (await ask(server, path, headers=ada.headers)).status == 200
    await posts.hide(db, int(post), hidden=False)
    assert (await ask(server, path, headers=bob.headers)).status == 200
    assert (await ask(server, f"/posts/{post}", "DELETE", headers=ada.headers)).status == 204
    for address in (path, f"/media/{media}"):
        check_problem(await ask(server, address, headers=ada.headers), 404, "NOT_FOUND")
    assert await db.fetchval("select (select count(*) from media) + (select count(*) from blobs)") == 0


async def test_images_that_no_post_takes_go_after_a_day_and_are_bounded_until_then(start_server):
    server = await start_server(max_waiting_media=3)
    ada, db = await server.person(), server.running.resources.db
    old, young, attached = [await uploaded(ada) for _ in range(3)]
    check_problem(await upload(ada), 429, "THROTTLED")
    await create(ada, attached)
    await uploaded(ada)
    await db.execute("update media set created_at = now() - interval '25 hours' where id = any($1)", [int(old), int(attached)])
    await stores.media.delete_waiting(db, ttl_s=DAY_S)
    assert (await ask(server, f"/media/{old}", headers=ada.headers)).status == 404
    for kept in (young, attached):
        assert (await ask(server, f"/media/{kept}", headers=ada.headers)).status == 200
    assert await db.fetchval("select count(*) from blobs") == 6


async def test_what_cannot_be_taken_is_refused_with_a_code_and_leaves_nothing(start_server):
    server = await start_server(max_image_bytes=5_000, max_image_pixels=100)
    ada = await server.person()
    for response, status, code in (
        (await upload(ada, b"no image"), 422, "IMAGE_INVALID"),
        (await upload(ada, b""), 422, "IMAGE_INVALID"),
        (await upload(ada, photo()[:200], media_type="image/jpeg"), 422, "IMAGE_INVALID"),
        (await upload(ada, picture(size=(11, 10))), 422, "IMAGE_TOO_LARGE"),
        (await upload(ada, b"x" * 5_001), 413, "BODY_TOO_LARGE"),
        (await upload(ada, media_type="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (await upload(ada, alt="%00"), 422, "BAD_USER_INPUT"),
        (await upload(ada, alt="x" * 1_001), 422, "BAD_USER_INPUT"),
        (await ask(server, "/media", "POST", data=picture(), headers={"Content-Type": "image/png"}), 401, "UNAUTHENTICATED"),
    ):
        check_problem(response, status, code)
    assert (await upload(ada, alt="%20", media_type="image/gif")).body["alt"] is None  # the content tells the type
    db = server.running.resources.db
    assert [row[0] for row in await db.fetch("select count(*) from media union all select count(*) from blobs")] == [1, 2]


async def test_a_reader_who_takes_nothing_of_an_image_is_sent_away(start_server):
    server = await start_server(ws_stalled_s=0.2)
    ada, db = await server.person(), server.running.resources.db
    media = await uploaded(ada)
    await create(ada, media)
    await db.execute(
        "insert into blob_pieces select b.id, n, decode(repeat('00', 262144), 'hex') from generate_series(1, 80) n, blobs b"
    )
    await db.execute("update blobs set size = size + 80 * 262144")
    async with connected(server) as (reader, writer):
        writer.write(f"GET /api/v1/media/{media}/file HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for number in (1, 0):
            async with asyncio.timeout(10):
                while server.running.resources.budgets._sockets.total != number:  # noqa: ASYNC110  # it tells nobody
                    await asyncio.sleep(0.01)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(80 * 262144)
