"""An archive of 20,000 posts, imported while a subscription watches and the process's memory is read.

pytest -m benchmark tests/benchmarks/test_import.py -s
"""

import asyncio
import io
import time
from pathlib import Path

import pytest

from tests.archives import write_large
from tests.faults.programs import program, temporary_home

pytestmark = [pytest.mark.benchmark, pytest.mark.postgres, pytest.mark.redis]

POSTS = 20_000
UPDATED = "subscription($id: ID!) { jobUpdated(id: $id) { state done total } }"


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def test_an_import_of_20_000_posts_takes_flat_memory() -> None:
    archive = io.BytesIO()
    write_large(archive, POSTS)
    with temporary_home() as home:
        async with program(None, FEEDGRAPH_DATA_DIR=str(home)) as server:
            ada = await server.somebody()
            pid, samples = server.process.pid, []
            before = rss_mib(pid)
            socket = await server.socket(ada.token)
            started = time.perf_counter()
            headers = ada.headers | {"Content-Type": "application/gzip"}
            async with server.http.post(f"{server.url}/api/v1/imports", data=archive.getvalue(), headers=headers) as response:
                assert response.status == 202
                job = await response.json()
            uploaded_s = time.perf_counter() - started
            await socket.subscribe(UPDATED, id=job["jobId"])
            updates = []
            while (message := await socket.receive(timeout_s=300))["type"] == "next":
                updates.append(message["payload"]["data"]["jobUpdated"])
                samples.append(rss_mib(pid))
            took_s = time.perf_counter() - started
            await asyncio.sleep(0)
            assert updates[-1] == {"state": "SUCCEEDED", "done": POSTS, "total": POSTS}
            assert (await ada.graphql("{ viewer { postsCount } }")).data["viewer"]["postsCount"] == POSTS
            assert max(samples) - before < 60
            print(
                f"\n{POSTS} posts, {len(archive.getvalue()):,} bytes: uploaded in {uploaded_s:.1f} s, done in {took_s:.1f} s, "
                f"{len(updates)} updates heard; RSS before {before:.0f} MiB, during at most {max(samples):.0f} MiB"
            )
