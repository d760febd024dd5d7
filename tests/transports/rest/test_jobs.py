"""Slow work over REST: accepted, waited for, watched, fetched once, stopped."""

import asyncio
import csv
import io
import os
import zipfile
from typing import Any

import orjson
import pytest
from PIL import Image

from app.services import blobs, working
from tests.pictures import picture

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

SOON = {"Prefer": "respond-async, wait=10"}


async def ask(person, method, path, **more):
    """Return status, headers and body of a request."""
    headers = person.headers | more.pop("headers", {})
    async with person.server.http.request(method, f"{person.server.url}/api/v1{path}", headers=headers, **more) as response:
        return response.status, response.headers, await response.read()


async def test_an_export_holds_everything_and_is_fetched_once(server):
    ada, bob = await server.person("ada"), await server.person("bob")
    ids = [await ada.post(f"Beitrag {n}, “mit Komma”\nund Zeile") for n in range(3)]
    image = orjson.loads((await ask(ada, "POST", "/media?alt=Tor", data=picture(), headers={"Content-Type": "image/png"}))[2])
    await bob.post("not Ada's")
    await ada.follow(bob)
    await bob.follow(ada)
    status, headers, body = await ask(ada, "POST", "/exports", headers=SOON)
    job = orjson.loads(body)
    assert (status, job["state"], job["errorCode"], job["done"], job["total"]) == (200, "SUCCEEDED", None, 17, 17)
    assert headers["Preference-Applied"] == "respond-async, wait=10"
    assert headers["Location"] == f"/api/v1/jobs/{job['jobId']}"
    assert headers["Link"] == f'<{job["resultUrl"]}>; rel="result"'
    path = job["resultUrl"].removeprefix("/api/v1")
    assert (await ask(bob, "GET", path))[0] == 404
    status, headers, body = await ask(ada, "GET", path)
    assert (status, headers["Content-Type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(body))
    assert archive.testzip() is None
    posts = [orjson.loads(line) for line in archive.read("posts.jsonl").splitlines()]
    assert [post["post_id"] for post in posts] == ids
    described = orjson.loads(archive.read("media.jsonl"))
    assert (described["media_id"], described["alt"], described["url"]) == (image["mediaId"], "Tor", image["url"])
    assert archive.read(described["file"]) == (await ask(ada, "GET", f"/media/{image['mediaId']}/file"))[2]
    rows = list(csv.DictReader(io.StringIO(archive.read("posts.csv").decode(), newline="")))
    assert [row["content"] for row in rows] == [post["content"] for post in posts]
    assert [orjson.loads(archive.read(f"{part}.jsonl"))["username"] for part in ("following", "followers")] == ["bob", "bob"]
    assert b"token" not in b"".join(archive.read(name) for name in archive.namelist())
    status, _, body = await ask(ada, "GET", path)
    assert (status, orjson.loads(body)["code"]) == (410, "GONE")
    assert await server.running.resources.db.fetchval("select count(*) from blobs") == 2  # the image's


async def test_an_export_of_many_rows_comes_in_several_pieces(server):
    ada = await server.person()
    db = server.running.resources.db
    await db.execute(
        "insert into posts (author_id, content) select $1, string_agg(md5((n * 64 + m)::text), ' ') "
        "from generate_series(1, 1200) n, generate_series(1, 30) m group by n",
        int(ada.id),
    )
    job = orjson.loads((await ask(ada, "POST", "/exports", headers=SOON))[2])
    assert job["state"] == "SUCCEEDED", job
    pieces = await db.fetch("select number, length(bytes) from blob_pieces order by number")
    assert [row[0] for row in pieces] == list(range(len(pieces)))
    assert len(pieces) > 3
    assert {row[1] for row in pieces[:-1]} == {256 * 1024}
    body = (await ask(ada, "GET", job["resultUrl"].removeprefix("/api/v1")))[2]
    assert zipfile.ZipFile(io.BytesIO(body)).read("posts.jsonl").count(b"\n") == 1200


async def test_an_image_that_goes_while_it_is_exported_is_there_whole_or_not_at_all(server, monkeypatch):
    ada, db = await server.person(), server.running.resources.db
    noise = io.BytesIO()
    Image.frombytes("RGB", (480, 480), os.urandom(480 * 480 * 3)).save(noise, "PNG")  # some pieces long
    posts, files = [], []
    for _ in range(3):
        media = orjson.loads((await ask(ada, "POST", "/media", data=noise.getvalue(), headers={"Content-Type": "image/png"}))[2])
        files.append(f"media/{media['mediaId']}.png")
        posts.append(await ada.post("With an image", mediaIds=[media["mediaId"]]))
    whole = (await ask(ada, "GET", f"/media/{media['mediaId']}/file"))[2]
    read = blobs.read
    deletions: list[asyncio.Task[Any]] = []

    async def deleting(db, blob_id):
        async for piece in read(db, blob_id):
            if not deletions:  # the first image while it is copied, and the second one ahead of that
                deletions.append(asyncio.create_task(ask(ada, "DELETE", f"/posts/{posts[0]}")))
                assert (await ask(ada, "DELETE", f"/posts/{posts[1]}"))[0] == 204
            yield piece

    with monkeypatch.context() as patch:
        patch.setattr("app.services.blobs.read", deleting)
        job = orjson.loads((await ask(ada, "POST", "/exports", headers=SOON))[2])
    assert job["state"] == "SUCCEEDED", job
    [deletion] = deletions
    assert (await deletion)[0] == 204

    archive = zipfile.ZipFile(io.BytesIO((await ask(ada, "GET", job["resultUrl"].removeprefix("/api/v1")))[2]))
    assert archive.testzip() is None
    assert [name for name in archive.namelist() if name.startswith("media/")] == [files[0], files[2]]
    assert len(whole) > 2 * 256 * 1024
    assert archive.read(files[0]) == archive.read(files[2]) == whole
    assert await db.fetchval("select count(*) from media") == 1


async def test_a_download_that_breaks_off_can_be_begun_again(server, monkeypatch):
    ada = await server.person()
    job = orjson.loads((await ask(ada, "POST", "/exports", headers=SOON))[2])
    path = job["resultUrl"].removeprefix("/api/v1")

    async def broken(_db, _blob_id):
        yield b"half"
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr("app.services.blobs.read", broken)
        with pytest.raises(Exception):  # noqa: B017, PT011  # what aiohttp makes of a body that is too short
            await ask(ada, "GET", path)
    async with asyncio.timeout(5):
        while (answer := await ask(ada, "GET", path))[0] == 410:  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.01)
    assert zipfile.ZipFile(io.BytesIO(answer[2])).namelist()


async def test_a_job_is_watched_and_stopped(server, monkeypatch):
    gate = asyncio.Event()

    async def wait(_attempt):
        await gate.wait()
        return {}

    monkeypatch.setitem(working.HANDLERS, "export", (wait, 1))
    ada, bob = await server.person(), await server.person()
    status, headers, body = await ask(ada, "POST", "/exports", headers={"Prefer": "respond-async"})
    job = orjson.loads(body)
    assert (status, headers["Retry-After"], headers["Preference-Applied"]) == (202, "1", "respond-async")
    assert (job["kind"], job["state"] in {"QUEUED", "RUNNING"}, job["resultUrl"], job["finishedAt"]) == (
        "export",
        True,
        None,
        None,
    )
    assert orjson.loads((await ask(ada, "POST", "/exports"))[2])["jobId"] == job["jobId"]  # one at a time
    path = headers["Location"].removeprefix("/api/v1")
    status, headers, _ = await ask(ada, "GET", path)
    assert (status, headers["Retry-After"]) == (200, "1")
    assert (await ask(ada, "GET", path + "/result"))[0] == 409
    for method in ("GET", "DELETE"):
        assert (await ask(bob, method, path))[0] == 404
    status, headers, body = await ask(ada, "DELETE", path)
    assert (status, orjson.loads(body)["state"], "Retry-After" in headers) == (200, "CANCELLED", False)
    assert orjson.loads((await ask(ada, "GET", path))[2])["finishedAt"]
    assert (await ask(ada, "GET", path + "/result"))[0] == 404
    assert [row["jobId"] for row in orjson.loads((await ask(ada, "GET", "/jobs"))[2])] == [job["jobId"]]
    assert orjson.loads((await ask(bob, "GET", "/jobs"))[2]) == []
    async with server.http.get(f"{server.url}/api/v1{path}") as anonymous:
        assert anonymous.status == 401
    assert (await ask(ada, "GET", "/jobs/0"))[0] == 422
