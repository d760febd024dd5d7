"""Files over gRPC: whole or not at all, bounded, counted among what lasts, and the same as over REST."""

import asyncio
import io
import json
import signal
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from grpc import StatusCode, aio

from app.transports.grpc.stubs import feeds_pb2, jobs_pb2, media_pb2, posts_pb2
from tests.archives import note, outbox, tar_gz
from tests.grpc_calls import address_of, connected, counted, parts_of, refusal_of, signed
from tests.pictures import opened, photo, picture
from tests.transports.rest.asking import ask, check_problem

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

ARCHIVE = tar_gz(outbox_json=outbox(note(1), note(2)))
KEPT = "select (select count(*) from media) + (select count(*) from blobs) + (select count(*) from jobs)"


def image(data: bytes, **more: Any) -> media_pb2.ImagePart:
    return media_pb2.ImagePart(data=data, **more)


def whole_image(file: bytes, **more: Any) -> list[media_pb2.ImagePart]:
    """Return an image in two parts."""
    return [image(file[:20], **more), image(file[20:], is_last=True)]


def whole_archive(file: bytes) -> list[jobs_pb2.ArchivePart]:
    """Return an archive in three parts, of which the last has no bytes."""
    return [jobs_pb2.ArchivePart(data=file[:10]), jobs_pb2.ArchivePart(data=file[10:]), jobs_pb2.ArchivePart(is_last=True)]


async def finished(stubs, person, job_id: str) -> jobs_pb2.Job:
    """Return a job at its end."""
    updates = stubs.jobs.FollowJob(jobs_pb2.FollowJobRequest(job_id=job_id), metadata=signed(person))
    return (await parts_of(updates))[-1].job


async def until_lasting(server, number: int) -> None:
    """Wait until the server knows of so many streams and files on their way."""
    async with asyncio.timeout(10):
        while server.running.resources.budgets._sockets.total != number:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.01)


async def test_an_image_is_uploaded_given_to_a_post_and_seen_with_it(stubs, server):
    ada, bob = await server.person(), await server.person()
    as_ada: Any = {"metadata": signed(ada)}
    media = await stubs.media.Upload(iter(whole_image(photo(), alt="Ein Tor ✨")), **as_ada)
    assert (media.type, media.width, media.height, media.alt, media.HasField("post_id")) == (
        "image/jpeg",
        6,
        8,
        "Ein Tor ✨",
        False,
    )
    one = media_pb2.MediaRequest(media_id=media.media_id)
    assert await stubs.media.Get(one, **as_ada) == media
    for metadata in (signed(bob), None):
        assert (await refusal_of(stubs.media.Get(one, metadata=metadata))).code == "NOT_FOUND"
        stream = stubs.media.GetFile(media_pb2.GetFileRequest(media_id=media.media_id), metadata=metadata)
        assert (await refusal_of(stream.read())).code == "NOT_FOUND"

    draft = posts_pb2.CreatePostRequest(content="With an image", media_ids=[media.media_id])
    post = await stubs.posts.CreatePost(draft, **as_ada)
    assert [shown.post_id for shown in post.media] == [post.post_id]
    taken = await refusal_of(
        stubs.posts.CreatePost(posts_pb2.CreatePostRequest(content="x", media_ids=[media.media_id]), **as_ada)
    )
    assert (taken.code, taken.status) == ("CONFLICT", StatusCode.ABORTED)
    bad = await refusal_of(stubs.posts.CreatePost(posts_pb2.CreatePostRequest(content="x", media_ids=["x"]), **as_ada))
    assert (bad.code, bad.field) == ("BAD_USER_INPUT", "media_ids[0]")
    reply = await stubs.posts.CreatePost(posts_pb2.CreatePostRequest(content="Reply", in_reply_to_id=post.post_id), **as_ada)
    wish: Any = {"with_media": True}
    lists = [
        (await stubs.posts.GetPostsForUser(posts_pb2.UserRequest(user_id=ada.id, **wish))).posts,
        (await stubs.posts.GetLatestPosts(posts_pb2.GetLatestPostsRequest(**wish))).posts,
        [await stubs.posts.GetPost(posts_pb2.GetPostRequest(post_id=post.post_id, **wish))],
        [(await stubs.posts.GetPosts(posts_pb2.GetPostsRequest(post_ids=[post.post_id], **wish))).entries[0].post],
        (await stubs.feeds.GetHomeFeed(feeds_pb2.GetHomeFeedRequest(**wish), **as_ada)).posts,
    ]
    for posts in lists:
        assert [shown.media_id for shown in posts[-1].media] == [media.media_id]
    request = posts_pb2.GetRepliesRequest(post_ids=[post.post_id], **wish)
    replies, statements = await counted(stubs.posts.GetReplies(request, metadata=signed(None, feedgraph_counts="1")))
    assert ([shown.post_id for shown in replies.entries[0].replies.posts], statements) == ([reply.post_id], 3)
    assert not (await stubs.posts.GetPost(posts_pb2.GetPostRequest(post_id=post.post_id))).media

    for thumbnail, kind, name in ((False, "image/jpeg", "file"), (True, "image/webp", "thumbnail")):
        parts = await parts_of(stubs.media.GetFile(media_pb2.GetFileRequest(media_id=media.media_id, thumbnail=thumbnail)))
        file = b"".join(part.data for part in parts)
        assert (parts[0].type, parts[0].size) == (kind, len(file))
        assert (await ask(server, f"/media/{media.media_id}/{name}")).raw == file
        assert opened(file).size == (6, 8)


async def test_a_file_arrives_in_parts_that_say_once_what_it_is(stubs, server):
    ada = await server.person()
    noise = bytes(range(256)) * 1200
    media = await stubs.media.Upload(iter(whole_image(picture(size=(320, 240)))), metadata=signed(ada))
    db = server.running.resources.db
    await db.execute("update blob_pieces set bytes = $1", noise)
    await db.execute("update blobs set size = length($1::bytea)", noise)

    parts = await parts_of(stubs.media.GetFile(media_pb2.GetFileRequest(media_id=media.media_id), metadata=signed(ada)))

    assert b"".join(part.data for part in parts) == noise
    assert len(parts) == 5
    assert [part.HasField("size") for part in parts] == [True, False, False, False, False]


async def test_an_archive_is_imported_and_its_report_fetched(stubs, server):
    ada, bob = await server.person(), await server.person()
    job = await stubs.jobs.ImportArchive(iter(whole_archive(ARCHIVE)), metadata=signed(ada))
    assert job.kind == "import"
    assert (await finished(stubs, ada, job.job_id)).state == jobs_pb2.JOB_SUCCEEDED

    one = jobs_pb2.JobRequest(job_id=job.job_id)
    for _ in range(2):
        [part] = await parts_of(stubs.jobs.FetchResult(one, metadata=signed(ada)))
        assert (part.type, part.size, json.loads(part.data)["imported"]) == ("application/json", len(part.data), 2)
    assert (await refusal_of(stubs.jobs.FetchResult(one, metadata=signed(bob)).read())).code == "NOT_FOUND"
    assert (await refusal_of(stubs.jobs.FetchResult(one).read())).code == "UNAUTHENTICATED"


async def test_an_export_is_fetched_once_and_again_only_where_it_broke_off(stubs, server):
    ada = await server.person()
    await ada.post("To be exported")
    as_ada: Any = {"metadata": signed(ada)}
    job = await finished(stubs, ada, (await stubs.jobs.RequestExport(Empty(), **as_ada)).job_id)
    one = jobs_pb2.JobRequest(job_id=job.job_id)
    db = server.running.resources.db
    [blob_id] = [row[0] for row in await db.fetch("select id from blobs")]
    await db.execute(
        "insert into blob_pieces select $1, n, decode(repeat('00', 262144), 'hex') from generate_series(1, 40) n", blob_id
    )

    broken = stubs.jobs.FetchResult(one, **as_ada)  # ten megabytes more than fit on the way
    assert (await broken.read()).size > 0
    assert (await refusal_of(stubs.jobs.FetchResult(one, **as_ada).read())).code == "GONE"  # meanwhile it is taken
    broken.cancel()
    await until_lasting(server, 0)
    await db.execute("delete from blob_pieces where number > 0")
    file = b"".join(part.data for part in await parts_of(stubs.jobs.FetchResult(one, **as_ada)))

    assert "posts.jsonl" in zipfile.ZipFile(io.BytesIO(file)).namelist()
    assert (await refusal_of(stubs.jobs.FetchResult(one, **as_ada).read())).code == "GONE"
    assert await db.fetchval("select count(*) from blobs") == 0


@pytest.mark.parametrize("kind", ["image", "archive"])
@pytest.mark.parametrize("end", ["no last part", "cancelled", "channel closed"])
async def test_a_file_whose_sender_did_not_finish_it_is_none(server, kind, end):
    """All bytes of a file arrive: only its sender can say that these are all."""
    ada = await server.person()
    async with connected(server) as stubs:
        upload = stubs.media.Upload if kind == "image" else stubs.jobs.ImportArchive
        call: Any = upload(metadata=signed(ada))
        for part in [image(picture())] if kind == "image" else whole_archive(ARCHIVE)[:2]:
            await call.write(part)
        if end == "no last part":
            await call.done_writing()
            refused = await refusal_of(call)
            assert (refused.code, refused.status) == ("BAD_REQUEST", StatusCode.INVALID_ARGUMENT)
            assert "is_last" in refused.message
        else:
            await until_lasting(server, 1)
            if end == "cancelled":
                call.cancel()

    await until_lasting(server, 0)
    assert await server.running.resources.db.fetchval(KEPT) == 0


SENDER = """
import sys, time
import grpc
from app.transports.grpc.stubs.media_pb2 import ImagePart
from app.transports.grpc.stubs.media_pb2_grpc import MediaServiceStub
from tests.pictures import picture

def parts():
    yield ImagePart(data=picture())
    print("sent", flush=True)
    time.sleep(60)

with grpc.insecure_channel(sys.argv[1]) as channel:
    MediaServiceStub(channel).Upload(parts(), metadata=[("authorization", "Bearer " + sys.argv[2])])
"""


async def test_a_file_whose_sender_was_killed_is_none(server):
    ada = await server.person()
    sender = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SENDER, address_of(server), ada.token),
        cwd=Path(__file__).parents[3],
        stdout=asyncio.subprocess.PIPE,
    )
    assert sender.stdout
    assert await sender.stdout.readline() == b"sent\n"
    await until_lasting(server, 1)

    sender.send_signal(signal.SIGKILL)
    await sender.wait()

    await until_lasting(server, 0)
    assert await server.running.resources.db.fetchval(KEPT) == 0


async def test_files_that_are_refused_say_why_and_leave_nothing(start_server):
    limits: Any = {"max_image_bytes": 5_000, "max_upload_bytes": 5_000, "max_image_pixels": 100}
    server = await start_server(grpc=True, body_timeout_s=0.3, **limits)
    ada = await server.person()

    async def endless():
        while True:
            yield image(bytes(1_000))

    async def stalling():
        yield image(b"x")
        await asyncio.sleep(5)

    async def silent():
        await asyncio.sleep(5)
        yield image(b"x")

    async with connected(server) as stubs:
        cases: list[tuple[Any, Any, str]] = [
            (iter([image(b"no image", is_last=True)]), signed(ada), "IMAGE_INVALID"),
            (iter(whole_image(picture(size=(11, 10)))), signed(ada), "IMAGE_TOO_LARGE"),
            (iter(whole_image(picture(), alt="a\0")), signed(ada), "BAD_USER_INPUT"),
            (iter([]), signed(ada), "BAD_REQUEST"),
            (endless(), signed(ada), "BODY_TOO_LARGE"),
            (stalling(), signed(ada), "REQUEST_TIMEOUT"),
            (silent(), signed(ada), "REQUEST_TIMEOUT"),
            (iter(whole_image(picture())), None, "UNAUTHENTICATED"),
        ]
        for parts, metadata, code in cases:
            assert (await refusal_of(stubs.media.Upload(parts, metadata=metadata))).code == code
        archive = iter([jobs_pb2.ArchivePart(data=bytes(5_001), is_last=True)])
        assert (await refusal_of(stubs.jobs.ImportArchive(archive, metadata=signed(ada)))).code == "BODY_TOO_LARGE"
        raw: Any = stubs.channel.stream_unary("/MediaService/Upload")
        assert (await refusal_of(raw(iter([b"\xff"]), metadata=signed(ada)))).code == "BAD_REQUEST"
    await until_lasting(server, 0)
    assert await server.running.resources.db.fetchval(KEPT) == 0


async def test_what_lasts_is_counted_together_on_both_faces(start_server):
    server = await start_server(grpc=True, max_sockets_per_user=1)
    ada = await server.person()
    sent = ada.headers | {"Content-Type": "image/png"}
    async with connected(server) as stubs:
        media = await stubs.media.Upload(iter(whole_image(picture())), metadata=signed(ada))
        going: Any = stubs.media.Upload(metadata=signed(ada))
        await going.write(image(picture()))
        await until_lasting(server, 1)

        check_problem(await ask(server, "/media", "POST", data=picture(), headers=sent), 429, "TOO_MANY_OPERATIONS")
        check_problem(await ask(server, f"/media/{media.media_id}/file", headers=ada.headers), 429, "TOO_MANY_OPERATIONS")
        file = media_pb2.GetFileRequest(media_id=media.media_id)
        assert (await refusal_of(stubs.media.GetFile(file, metadata=signed(ada)).read())).code == "TOO_MANY_OPERATIONS"
        assert (await ask(server, "/viewer", headers=ada.headers)).status == 200  # what is short has its own count
        await going.write(image(b"", is_last=True))
        assert (await going).media_id
    assert (await ask(server, "/media", "POST", data=picture(), headers=sent)).status == 201


async def test_a_reader_who_takes_nothing_of_a_file_is_sent_away(start_server):
    server = await start_server(grpc=True, ws_stalled_s=0.2)
    ada = await server.person()
    async with connected(server, ("grpc.http2.lookahead_bytes", 1024)) as stubs:
        media = await stubs.media.Upload(iter(whole_image(picture())), metadata=signed(ada))
        await server.running.resources.db.execute(
            "insert into blob_pieces select b.id, n, decode(repeat('00', 262144), 'hex') from generate_series(1, 40) n, blobs b"
        )
        stalled: Any = stubs.media.GetFile(media_pb2.GetFileRequest(media_id=media.media_id), metadata=signed(ada))
        await until_lasting(server, 1)
        await until_lasting(server, 0)
        with pytest.raises(aio.AioRpcError) as ended:
            await parts_of(stalled)
        assert ended.value.code() is StatusCode.ABORTED
