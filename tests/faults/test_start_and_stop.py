"""How the program begins and ends: refusals in one sentence, an orderly stop, and nothing left behind."""

import asyncio
import re
import socket as sockets
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from app import wiring
from app.domain.errors import ConfigurationError
from app.infra import embedded
from app.infra.embedded import Addresses, place
from tests.clients import Socket
from tests.conftest import free_port, make_settings, quiet
from tests.faults.programs import START_S, Program, gone, launched, processes_of, program, temporary_home
from tests.faults.traffic import ADDED, CREATE
from tests.needed import missing

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]

NO_REDIS = "redis://127.0.0.1:1"


def refused(port: int | None = None, **environment: str) -> str:
    """Start the program, which must refuse; return the one sentence that it says."""
    with launched(port or free_port(), **environment) as running:
        try:
            _, said = running.communicate(timeout=30)
        finally:
            running.kill()
    lines = [line for line in said.splitlines() if line]
    assert running.returncode == 2, said
    assert "Traceback" not in said
    assert lines[-1].startswith("feedgraph: ")
    assert lines[-1].endswith(".")
    assert all(line.endswith("…") or line.startswith("Migrating: ") for line in lines[:-1]), said  # what it began before
    return lines[-1]


def test_taken_port_is_said_before_anything_is_started() -> None:
    with sockets.socket() as other, temporary_home() as home:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refused(port, FEEDGRAPH_DATA_DIR=str(home))
        assert f"port {port}" in said
        assert "FEEDGRAPH_PORT" in said
        assert not home.exists()


def test_wrong_database_address_is_said_in_a_sentence() -> None:  # other wrong ones: tests/cli/test_commands_on_a_new_database.py
    said = refused(DATABASE_URL="postgresql://app@127.0.0.1:1/feedgraph", REDIS_URL=NO_REDIS)
    assert "DATABASE_URL" in said
    assert re.search("refused|Connect call failed", said)


def test_database_that_is_not_there_is_said_in_a_sentence(addresses: Addresses) -> None:
    url = addresses.database_url.replace("/feedgraph_test_", "/no_such_")
    assert re.search(r'database "no_such_\w+" does not exist', refused(DATABASE_URL=url, REDIS_URL=NO_REDIS))


async def test_wrong_password_is_said_without_the_password(addresses: Addresses) -> None:
    host = addresses.database_url.partition("host=")[2].partition("&")[0]
    if not host.startswith("/"):
        missing("Needs the embedded PostgreSQL, which tells users apart by name.")
    url = addresses.database_url.replace("//app@", "//somebody:hunter2@")
    said = await asyncio.to_thread(refused, DATABASE_URL=url, REDIS_URL=NO_REDIS)
    assert "somebody" in said
    assert "hunter2" not in said


def test_wrong_redis_address_is_said_in_a_sentence(addresses: Addresses) -> None:
    assert "REDIS_URL" in refused(DATABASE_URL=addresses.database_url, REDIS_URL="nonsense")


@pytest.mark.parametrize("redis_url", ["http://127.0.0.1", "redis://127.0.0.1:port"])
async def test_no_server_starts_with_an_address_that_is_not_of_redis(redis_url: str, addresses: Addresses) -> None:
    with pytest.raises(ConfigurationError, match=r"REDIS_URL.*\.$"):
        async with wiring.running(make_settings(), replace(addresses, redis_url=redis_url), say=quiet):
            pass


async def test_redis_that_is_not_there_keeps_nobody_from_serving(addresses: Addresses) -> None:
    async with program(DATABASE_URL=addresses.database_url, REDIS_URL=NO_REDIS) as server:
        response = await server.http.get(server.url + "/readyz")
        assert (response.status, (await response.json())["redis"]) == (200, "away")


def test_data_directory_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = refused(FEEDGRAPH_DATA_DIR=str(tmp_path / "file" / "home"))
    assert "FEEDGRAPH_DATA_DIR" in said


async def test_two_servers_run_side_by_side_and_leave_no_process() -> None:
    with temporary_home() as one, temporary_home() as two:
        async with program(FEEDGRAPH_DATA_DIR=str(one)) as first, program(FEEDGRAPH_DATA_DIR=str(two)) as second:
            ana = await first.somebody()
            id_ = await ana.post()
            ask = "query($id: ID!) { post(id: $id) { id } }"
            answers = [await server.graphql(ask, {"id": id_}) for server in (first, second)]
            assert [answer.data["post"] for answer in answers] == [{"id": id_}, None]
            assert len(processes_of(one)) > 1
            for server in (first, second):
                status, said = await server.terminated()
                assert (status, "Traceback" in said) == (0, False)
        assert processes_of(one) + processes_of(two) == []
        assert embedded.attached(one) is None


async def test_second_server_on_the_same_data_is_refused_and_harms_nobody() -> None:
    with temporary_home() as home:
        async with program(FEEDGRAPH_DATA_DIR=str(home)) as server:
            said = await asyncio.to_thread(refused, FEEDGRAPH_DATA_DIR=str(home))
            assert "in use" in said
            assert await server.status("/readyz") == 200


async def stuck_reader(server: Program) -> Socket:
    """Return a subscriber who stops reading while megabytes are sent to it."""
    ana = await server.somebody()
    socket = await server.socket()
    again = " ".join(f"content{number}: content" for number in range(10))
    await socket.subscribe(f"subscription {{ postAdded {{ id {again} }} }}")
    assert socket.ws._conn is not None
    transport = socket.ws._conn.transport
    assert transport is not None
    transport.pause_reading()
    for _ in range(60):
        await ana.post("🐌" * 5_000)
    return socket


async def test_sigterm_says_goodbye_lets_writes_end_and_leaves_with_0(addresses: Addresses, db) -> None:
    url = addresses.database_url
    async with program(DATABASE_URL=url, REDIS_URL=addresses.redis_url, FEEDGRAPH_REDIS_PREFIX="test:stop:") as server:
        ana = await server.somebody()
        open_sockets = [await server.socket() for _ in range(5)]
        for socket in open_sockets:
            await socket.subscribe(ADDED)
        stuck = await stuck_reader(server)
        blocker = await asyncpg.connect(url)
        block = blocker.transaction()
        await block.start()
        await blocker.execute("select 1 from users where id = $1 for update", int(ana.id))
        writing = asyncio.create_task(ana.graphql(CREATE, input={"content": "The last word"}))
        waiting = "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')"
        async with asyncio.timeout(10):
            while not await db.fetchval(waiting):
                pass
        began = asyncio.get_running_loop().time()
        server.process.terminate()
        closed = await asyncio.gather(*(socket.closed() for socket in open_sockets))
        assert {code for code, _ in closed} == {1001}
        assert all(200 <= int(reason) <= 3_000 for _, reason in closed)
        await block.rollback()
        await blocker.close()
        answer = await writing
        assert answer.data["createPost"]["post"]["id"]
        status, said = await server.ended()
        assert (status, "Traceback" in said) == (0, False), said
        assert asyncio.get_running_loop().time() - began < 7  # promised are five; the machine may be busy
        assert await db.fetchval("select count(*) from posts where content = 'The last word'") == 1
        await stuck.close()


async def test_sigterm_while_starting_leaves_nothing_behind_and_what_is_left_can_be_used() -> None:
    with temporary_home() as home:
        port = free_port()
        for sign in ("valkey.log", "postgres.unfinished", "postgres", "postgres/postmaster.pid"):  # further each time
            with launched(port, FEEDGRAPH_DATA_DIR=str(home)) as running:
                try:
                    async with asyncio.timeout(START_S):
                        while not (place.directory_of(home) / sign).exists():  # noqa: ASYNC110  # how far it has come
                            await asyncio.sleep(0.001)
                    running.terminate()
                    _, said = await asyncio.to_thread(running.communicate, timeout=15)
                finally:
                    running.kill()
            assert running.returncode in {0, 143}, said
            assert "Traceback" not in said
            await gone(home)
        async with program(port, FEEDGRAPH_DATA_DIR=str(home)) as server:
            assert await server.status("/healthz") == 200
        await gone(home)
