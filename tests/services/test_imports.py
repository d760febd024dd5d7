"""Archives from upload to report: what is written, once, and what is said of the rest."""

import asyncio
import io
import zipfile

import orjson
import pytest

from app import services
from app.domain.mastodon import Skipped, SkippedMedia
from app.infra import images
from tests.archives import HOST, note, outbox, tar_gz, zipped
from tests.pictures import SECRET, photo, picture

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

UPDATED = "subscription($id: ID!) { jobUpdated(id: $id) { state done total } }"
POSTS = "{ viewer { postsCount postsConnection(first: 100) { nodes { id content title createdAt } } } }"

ENTRIES = [
    note(1, "<p>first</p>"),
    note(2, "<p>a reply to my own</p>", inReplyTo=f"{HOST}/statuses/1"),
    note(3, "<p>and one more</p>", inReplyTo=f"{HOST}/statuses/2", summary="Warnung"),
    note(4, inReplyTo="https://other.example/9"),
    note(5, to=[]),
    {"type": "Announce", "id": "https://social.example/announce", "object": "https://other.example/1"},
    note(1, "<p>first</p>"),
    "nonsense",
    note(20_000, "<p>2021</p>"),
]


async def imported(person, archive, **headers):
    """Upload an archive and wait for the end; return the job and its report."""
    sent = {"Content-Type": "application/gzip", "Prefer": "wait=15"} | person.headers | headers
    async with person.server.http.post(f"{person.server.url}/api/v1/imports", data=archive, headers=sent) as response:
        job = orjson.loads(await response.read())
        assert response.status == 200, job
    if job["resultUrl"] is None:
        return job, None
    async with person.server.http.get(person.server.url + job["resultUrl"], headers=person.headers) as response:
        return job, orjson.loads(await response.read())


async def test_posts_come_at_their_own_time_with_their_threads_and_the_rest_is_told(server):
    ada = await server.person()
    job, report = await imported(ada, tar_gz(actor_json=b"{}", outbox_json=outbox(*ENTRIES)))
    assert (job["state"], job["done"], job["total"]) == ("SUCCEEDED", 9, 9)
    assert report["entries"] == 9
    assert report["imported"] == 4
    assert report["skipped"] == {"DUPLICATE": 1, "MALFORMED": 1, "NOT_PUBLIC": 1, "REPLY_TO_OTHERS": 1, "REPOST": 1}
    assert {"id": f"{HOST}/statuses/4", "reason": "REPLY_TO_OTHERS"} in report["examples"]
    viewer = (await ada.graphql(POSTS)).data["viewer"]
    assert viewer["postsCount"] == 4
    top = viewer["postsConnection"]["nodes"]
    assert [(post["content"], post["createdAt"]) for post in top] == [
        ("2021", "2021-09-11T08:00:00.000Z"),
        ("first", "2019-06-01T01:00:00.000Z"),
    ]
    thread = "query($id: ID!) { post(id: $id) { repliesCount replies { content title replies { content title } repliesCount } } }"
    reply = (await ada.graphql(thread, id=top[1]["id"])).data["post"]
    assert reply == {
        "repliesCount": 1,
        "replies": [
            {
                "content": "a reply to my own",
                "title": None,
                "repliesCount": 1,
                "replies": [{"content": "and one more", "title": "Warnung"}],
            }
        ],
    }
    assert not await server.running.resources.db.fetchval("select count(*) from blobs")


async def test_an_archive_that_comes_again_adds_only_what_is_new(server):
    ada, bob = await server.person(), await server.person()
    await imported(ada, zipped(outbox_json=outbox(*ENTRIES)), **{"Content-Type": "application/zip"})
    [post] = (await ada.graphql("{ viewer { posts(first: 1) { id } } }")).data["viewer"]["posts"]
    await ada.graphql("mutation($id: ID!) { deletePost(id: $id) { id } }", id=post["id"])
    _, report = await imported(ada, tar_gz(outbox_json=outbox(*ENTRIES, note(8))))
    assert (report["imported"], report["skipped"]["DUPLICATE"]) == (1, 5)
    assert (await ada.graphql("{ viewer { postsCount } }")).data["viewer"]["postsCount"] == 4  # what she deleted stays away
    _, report = await imported(bob, tar_gz(outbox_json=outbox(note(1))))
    assert report["imported"] == 1  # another person's posts are other posts


async def test_an_import_that_breaks_off_and_begins_again_writes_each_post_once(start_server, monkeypatch):
    server = await start_server(job_backoff_s=0.01, job_poll_s=0.1, job_heartbeat_s=1)
    ada = await server.person()
    whole = services.imports.Importing.add
    batches = 0

    async def failing(self, batch):
        nonlocal batches
        batches += 1
        if batches in {2, 4}:
            raise RuntimeError("the second attempt fails, too")
        await whole(self, batch)

    monkeypatch.setattr(services.imports.Importing, "add", failing)
    monkeypatch.setattr(services.imports, "POSTS_AT_ONCE", 10)
    job, report = await imported(ada, tar_gz(outbox_json=outbox(*(note(n) for n in range(35)))))
    assert (job["state"], job["attempts"]) == ("SUCCEEDED", 3)
    images = {"imported": 0, "skipped": {}}
    assert report == {"entries": 35, "imported": 35, "skipped": {}, "examples": [], "images": images}
    assert (await ada.graphql("{ viewer { postsCount } }")).data["viewer"]["postsCount"] == 35


def attached(*names, **changes):
    """Return a note's attachments with these files."""
    folder = "/media_attachments/files/1/original/"
    return [{"type": "Document", "mediaType": "image/png", "url": folder + name, "name": None} | changes for name in names]


def with_media(pack, *entries, **files):
    """Return an archive of these entries and files; a name's underscore stands for its last dot. The files come first."""
    named = {f"media_attachments/files/1/original/{name}": content for name, content in files.items()}
    return pack(**named, outbox_json=outbox(*entries))


async def images_of(person):
    """Return the images of somebody's posts, newest post first."""
    query = "{ viewer { posts { media { type width height alt url } } } }"
    return [post["media"] for post in (await person.graphql(query)).data["viewer"]["posts"]]


@pytest.mark.parametrize("pack", [tar_gz, zipped])
async def test_images_come_with_their_posts_and_what_is_none_is_counted(start_server, pack):
    server = await start_server(max_image_pixels=100, max_image_bytes=5_000)
    ada, bob = await server.person(), await server.person()
    entries = [
        note(1, attachment=attached("b.jpg", mediaType="image/jpeg", name=" Ein Tor ✨ ") + attached("a.png", name="")),
        note(2, attachment=attached("large.png", "long.png", "text.png", "gone.png")),
        note(3, attachment=attached("1.png", "2.png", "3.png", "4.png", "5.png")),
        note(4, attachment=[*attached("film.mp4", mediaType="video/mp4"), "nonsense", {}, *attached("../../etc/passwd\0")]),
        note(5, attachment=attached("c.png", url="https://files.example/bucket/media_attachments/files/1/original/c.png")),
        note(6, attachment=attached("a.png")),  # of the first post already
        note(7, attachment={"type": "Document"}),
        note(8, attachment=attached("lost.png"), inReplyTo="https://other.example/9"),
    ]
    files = {"a_png": picture(), "b_jpg": photo(), "c_png": picture(), "large_png": picture(size=(11, 10)), "text_png": b"text"}
    files |= {f"{n}_png": picture(size=(n, 1)) for n in range(1, 6)} | {
        "long_png": bytes(5_001),
        "film_mp4": b"film",
        "x_png": b"",
    }
    archive = with_media(pack, *entries, **files)
    media_type = {"Content-Type": "application/zip"} if pack is zipped else {}

    job, report = await imported(ada, archive, **media_type)

    assert (job["state"], job["errorCode"], job["done"], job["total"]) == ("SUCCEEDED", None, 19, 19)  # 8 entries, 11 files
    skipped = {"DUPLICATE": 1, "MALFORMED": 1, "MISSING": 1, "TOO_LARGE": 2, "TOO_MANY": 1, "UNSUPPORTED": 4}
    assert report["images"] == {"imported": 7, "skipped": skipped}
    *_, fifth, fourth, third, second, first = await images_of(ada)
    assert ([len(fifth), len(fourth), len(second)], [media["width"] for media in third]) == ([1, 0, 0], [1, 2, 3, 4])
    assert [(media["type"], media["width"], media["alt"]) for media in first] == [
        ("image/jpeg", 6, "Ein Tor ✨"),
        ("image/png", 8, None),
    ]
    async with server.http.get(server.url + first[0]["url"]) as response:
        assert SECRET not in await response.read()
    db = server.running.resources.db
    assert await db.fetchval("select count(*) from blobs") == 2 * 7

    [post] = (await ada.graphql("{ viewer { posts(first: 1) { id } } }")).data["viewer"]["posts"]
    await ada.graphql("mutation($id: ID!) { deletePost(id: $id) { id } }", id=post["id"])
    _, report = await imported(ada, archive, **media_type)
    assert (report["imported"], report["images"]["imported"]) == (0, 0)
    assert report["images"]["skipped"] == skipped | {"DUPLICATE": 1 + 7}
    await db.execute("delete from media where width = 6")  # as if they had been imported without
    _, report = await imported(ada, archive, **media_type)
    assert report["images"]["imported"] == 1
    assert [media["width"] for media in (await images_of(ada))[-1]] == [6, 8]
    assert await images_of(bob) == []


async def test_images_of_an_import_that_begins_again_are_there_once(start_server, monkeypatch):
    server = await start_server(job_backoff_s=0.01, job_poll_s=0.1, job_heartbeat_s=1, max_imported_images=3)
    ada = await server.person()
    whole, calls = images.cleaned, 0

    async def failing(file, **limits):
        nonlocal calls
        calls += 1
        if calls in {2, 4}:
            raise RuntimeError("the second attempt fails, too")
        return await whole(file, **limits)

    monkeypatch.setattr(images, "cleaned", failing)
    entries = [note(n, attachment=attached(f"{n}.png")) for n in range(1, 5)]
    job, report = await imported(ada, with_media(zipped, *entries, **{f"{n}_png": picture(size=(n, 1)) for n in range(1, 5)}))
    assert (job["state"], job["attempts"], calls) == ("SUCCEEDED", 3, 5)
    assert report["images"] == {"imported": 3, "skipped": {"TOO_MANY": 1}}
    assert [[media["width"] for media in post] for post in await images_of(ada)] == [[], [3], [2], [1]]
    assert await server.running.resources.db.fetchval("select count(*) from blobs") == 6


async def test_an_image_in_a_zip_that_is_packed_like_no_other_is_skipped_alone(server):
    ada = await server.person()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, method in (("a.png", zipfile.ZIP_LZMA), ("b.png", zipfile.ZIP_STORED)):
            archive.writestr(f"media_attachments/files/1/original/{name}", picture(), method)
        archive.writestr("outbox.json", outbox(note(1, attachment=attached("a.png", "b.png"))))
    job, report = await imported(ada, target.getvalue(), **{"Content-Type": "application/zip"})
    assert (job["state"], report["images"]) == ("SUCCEEDED", {"imported": 1, "skipped": {"MALFORMED": 1}})


async def test_progress_is_heard_over_a_subscription(server, monkeypatch):
    monkeypatch.setattr("app.services.jobs.TOLD_EVERY_S", 0.0)
    monkeypatch.setattr(services.imports, "POSTS_AT_ONCE", 50)
    ada = await server.person()
    socket = await server.socket(ada.token)
    archive = tar_gz(outbox_json=outbox(*(note(n) for n in range(500))))
    headers = ada.headers | {"Content-Type": "application/gzip"}
    async with server.http.post(f"{server.url}/api/v1/imports", data=archive, headers=headers) as response:
        assert response.status == 202
        job = orjson.loads(await response.read())
    await socket.subscribe(UPDATED, id=job["jobId"])
    seen = []
    while (message := await socket.receive())["type"] == "next":
        seen.append(message["payload"]["data"]["jobUpdated"])
    assert seen[-1] == {"state": "SUCCEEDED", "done": 500, "total": 500}
    done = [update["done"] for update in seen]
    assert done == sorted(done)
    assert len(set(done)) > 2
    await socket.close()


async def test_a_bad_archive_fails_with_a_code_and_is_no_dead_letter(server):
    ada = await server.person()
    for archive, code in ((b"hello", "ARCHIVE_INVALID"), (tar_gz(outbox_json=b"[" * 2_000_000), "ARCHIVE_INVALID")):
        job, report = await imported(ada, archive)
        assert (job["state"], job["errorCode"], job["attempts"], report) == ("FAILED", code, 1, None)
    assert await services.jobs.dead_letters(server.running.resources.db, limit=5) == []


async def test_uploads_that_are_refused_leave_nothing(start_server):
    server = await start_server(max_upload_bytes=100_000, body_timeout_s=0.3)
    ada = await server.person()
    url = f"{server.url}/api/v1/imports"

    async def endless():
        while True:
            yield bytes(10_000)

    async def stalling():
        yield bytes(1_000)
        await asyncio.sleep(5)

    gzip = {"Content-Type": "application/gzip"}
    for data, headers, status, code in (
        (bytes(100_001), ada.headers | gzip, 413, "BODY_TOO_LARGE"),
        (endless(), ada.headers | gzip, 413, "BODY_TOO_LARGE"),
        (stalling(), ada.headers | gzip, 408, "REQUEST_TIMEOUT"),
        (b"x", gzip, 401, "UNAUTHENTICATED"),
        (b"x", ada.headers | {"Content-Type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"x", ada.headers | gzip | {"Content-Encoding": "gzip"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ):
        async with server.http.post(url, data=data, headers=headers) as response:
            assert (response.status, orjson.loads(await response.read())["code"]) == (status, code)
    counts = await server.running.resources.db.fetchrow("select (select count(*) from blobs), (select count(*) from jobs)")
    assert tuple(counts) == (0, 0)


def test_every_reason_is_documented():
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs/jobs.md").read_text()
    assert all(f"`{reason.value}`" in text for reason in (*Skipped, *SkippedMedia))
