"""The embedded servers, run for real by small programs of their own that can be killed."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from redis import Redis

from app.domain.errors import ConfigurationError
from app.infra import embedded
from app.infra.embedded import account, lock, place, process

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

ROOT = Path(__file__).parents[2]
# Runs the servers until its standard input ends; its first line is "ready" or the error's sentence. With a third
# argument it first becomes that user: here, because another user may not be able to start our Python.
OWNER = """
import os, sys
from pathlib import Path
from app.domain.errors import ConfigurationError
from app.infra.embedded import running
if len(sys.argv) > 3:
    os.setgroups([])
    os.setuid(int(sys.argv[3]))
try:
    with running(Path(sys.argv[1]), say=lambda sentence: None, durable=sys.argv[2] == "durable") as addresses:
        print("ready", flush=True)
        sys.stdin.read()
except ConfigurationError as error:
    print(error.message, flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    # Not below pytest's own directory: root's servers run under an account that may not enter it.
    parent = Path(tempfile.mkdtemp(prefix="embedded-"))
    parent.chmod(0o755)
    yield parent / "home"
    shutil.rmtree(parent)


def owner(home: Path, *user: str, durable: bool = False) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(home), "durable" if durable else "fast", *user],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def owned(home: Path, *, durable: bool = False) -> Iterator[tuple[subprocess.Popen[str], embedded.Addresses]]:
    with owner(home, durable=durable) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        addresses = embedded.attached(home)
        assert addresses is not None
        try:
            yield program, addresses
        finally:
            program.communicate()


def first_line(home: Path, *user: str) -> str:
    with owner(home, *user) as program:
        return program.communicate()[0].splitlines()[0]


async def executed(addresses: embedded.Addresses, statement: str) -> object:
    connection = await asyncpg.connect(addresses.database_url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def servers_of(home: Path) -> list[int]:
    directory = place.directory_of(home)
    return process.at_work("postgres", directory / "postgres") + process.at_work("valkey-server", directory / "valkey")


def sleeper(user: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], user=user if os.geteuid() == 0 else None)


async def servers_gone(home: Path) -> None:
    async with asyncio.timeout(10):
        while servers_of(home):  # noqa: ASYNC110 - a process that is not our child tells nobody when it ends
            await asyncio.sleep(0.01)


async def test_data_stay_from_one_run_to_the_next(home: Path) -> None:
    with owned(home) as (_, addresses):
        await executed(addresses, "create table note (words text)")
        await executed(addresses, "insert into note values ('kept')")
    assert servers_of(home) == []
    with owned(home) as (_, addresses):
        assert await executed(addresses, "select words from note") == "kept"


async def test_database_orders_text_alike_on_every_machine(home: Path) -> None:
    with owned(home) as (_, addresses):
        settings = (
            "select current_database() || ' ' || current_user || ' ' || datlocale from pg_database where datname = 'feedgraph'"
        )
        assert await executed(addresses, settings) == "feedgraph app C.UTF-8"


async def test_kill_of_the_owner_ends_the_servers_and_keeps_the_data(home: Path) -> None:
    with owned(home) as (program, addresses):
        await executed(addresses, "create table note (words text)")
        await executed(addresses, "insert into note values ('kept')")
        assert len(servers_of(home)) > 2
        program.kill()
        program.wait()
        await servers_gone(home)
        assert embedded.attached(home) is None
    with owned(home) as (_, again):
        assert await executed(again, "select words from note") == "kept"
        assert again.database_url != addresses.database_url
        left = addresses.redis_url.removeprefix("unix://")
        assert not Path(left).parent.exists()


async def test_kill_of_postgres_and_owner_together_is_recovered_from(home: Path) -> None:
    with owned(home, durable=True) as (program, addresses):
        await executed(addresses, "create table note (words text)")
        main = int((place.directory_of(home) / "postgres/postmaster.pid").read_text().splitlines()[0])
        os.kill(main, signal.SIGKILL)
        program.kill()
        program.wait()
    with owned(home) as (_, addresses):
        assert await executed(addresses, "select count(*) from note") == 0


async def test_pid_file_with_a_number_that_belongs_to_another_process_does_not_stop_the_start(home: Path) -> None:
    with owned(home):
        pass
    cluster = place.directory_of(home) / "postgres"
    runner = cluster.stat().st_uid
    with sleeper(runner) as stranger:
        pid_file = cluster / "postmaster.pid"
        pid_file.write_text(f"{stranger.pid}\n{cluster}\n1700000000\n5432\n/tmp/gone\n\n  1234  5678\nready   \n")
        pid_file.chmod(0o600)
        os.chown(pid_file, runner, -1)
        with owned(home) as (_, addresses):
            assert await executed(addresses, "select 1") == 1
        assert stranger.poll() is None
        stranger.kill()


async def test_two_homes_run_side_by_side(home: Path) -> None:
    with owned(home) as (_, one), owned(home.with_name("second")) as (_, two):
        await executed(one, "create table only_here (id int)")
        assert await executed(two, "select to_regclass('only_here') is null") is True
        with Redis.from_url(one.redis_url) as first, Redis.from_url(two.redis_url) as second:
            first.set("only", "here")
            assert second.get("only") is None


def test_second_owner_is_refused_in_one_sentence(home: Path) -> None:
    with owned(home) as (program, _):
        sentence = first_line(home)
        assert str(home) in sentence
        assert f"process {program.pid}" in sentence
        assert "FEEDGRAPH_DATA_DIR" in sentence


async def test_home_may_have_a_path_far_longer_than_a_socket_may(home: Path) -> None:
    with owned(home / ("long" * 50) / "with a space") as (_, addresses):
        assert await executed(addresses, "select 1") == 1


def test_attached_finds_nothing_where_nobody_ran_anything(home: Path) -> None:
    assert embedded.attached(home) is None


def test_attached_finds_nothing_after_the_owner_has_ended(home: Path) -> None:
    with owned(home):
        assert embedded.attached(home) is not None
    assert embedded.attached(home) is None


def test_only_the_servers_that_were_asked_for_run(home: Path) -> None:
    with embedded.running(home, say=lambda sentence: None, durable=False, postgres=False) as addresses:
        assert addresses.database_url == ""
        with Redis.from_url(addresses.redis_url) as valkey:
            assert valkey.ping()
        assert embedded.attached(home) == addresses


def test_unwritable_home_is_refused_in_one_sentence(home: Path) -> None:
    home.parent.chmod(0o555)
    user = [str(pwd.getpwnam("nobody").pw_uid)] if os.geteuid() == 0 else []
    sentence = first_line(home, *user)
    home.parent.chmod(0o755)
    assert f"The data directory {home} cannot be used by" in sentence
    assert "FEEDGRAPH_DATA_DIR" in sentence


def test_file_in_the_place_of_the_home_is_refused_in_one_sentence(home: Path) -> None:
    home.write_text("")
    with (
        pytest.raises(ConfigurationError, match=r"cannot be used .*FEEDGRAPH_DATA_DIR"),
        embedded.running(home, say=lambda sentence: None),
    ):
        pass


def test_data_of_another_version_are_refused_with_the_words_of_postgres(home: Path) -> None:
    with owned(home):
        pass
    (place.directory_of(home) / "postgres/PG_VERSION").write_text("17\n")
    sentence = first_line(home)
    assert sentence.startswith("PostgreSQL 18 did not start: ")
    assert "version 17" in sentence
    assert servers_of(home) == []


def test_machine_without_the_program_is_told_which_setting_replaces_it() -> None:
    wheel = account.Wheel("no_such_package", "no-such-package", "PostgreSQL", "DATABASE_URL", "no_such_package/postgres", ())
    with pytest.raises(ConfigurationError, match=r"no embedded PostgreSQL for this machine .*: set DATABASE_URL"):
        account.program_of(wheel, None, print)


def test_copied_programs_are_readable_for_everybody(tmp_path: Path) -> None:
    program = tmp_path / "packages/wheel/bin/program"
    program.parent.mkdir(parents=True, mode=0o700)
    program.write_text("")
    program.chmod(0o700)
    (program.parent / "words").write_text("")
    (program.parent / "words").chmod(0o600)
    for _ in range(2):  # the second is a process that comes late
        account.copy_programs(tmp_path / "packages", ("wheel",), tmp_path / "copies")
    assert oct((tmp_path / "copies/wheel/bin/program").stat().st_mode)[-3:] == "755"
    assert oct((tmp_path / "copies/wheel/bin/words").stat().st_mode)[-3:] == "644"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("tmp")] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs the servers under the own account")
async def test_root_keeps_the_data_outside_a_home_that_the_account_cannot_enter(home: Path) -> None:
    home.parent.chmod(0o700)
    said: list[str] = []
    with embedded.running(home, say=said.append, durable=False, valkey=False) as addresses:
        outside = (home / "servers").readlink()
        assert outside.parent == account.SHARED / "homes"
        assert any(str(outside) in sentence and str(home) in sentence for sentence in said)
        assert await executed(addresses, "show data_directory") == str(outside / "postgres")
        assert embedded.attached(home) == addresses
    assert home.parent.stat().st_mode & 0o777 == 0o700
    assert not outside.exists()  # data of tests are not kept


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user keeps the data in the home")
def test_data_outside_follow_a_moved_home_and_are_not_shared_with_a_copied_one(home: Path) -> None:
    home.parent.chmod(0o700)
    moved, copied = home.with_name("moved"), home.with_name("copied")
    with embedded.running(home, say=lambda sentence: None, durable=True, postgres=False):
        outside = place.directory_of(home)
    try:
        home.rename(moved)
        assert place.prepared(moved, lambda sentence: None).directory == outside
        shutil.copytree(moved, copied, symlinks=True)
        assert place.directory_of(copied) == copied
    finally:
        shutil.rmtree(outside)


async def test_ctrl_c_again_and_again_still_stops_everything_cleanly(home: Path) -> None:
    with owned(home) as (program, addresses):
        for _ in range(5):
            program.send_signal(signal.SIGINT)
            await asyncio.sleep(0.005)
        assert program.stdout is not None
        assert program.stdout.readline() == "interrupted\n"
        assert servers_of(home) == []
        assert not Path(addresses.redis_url.removeprefix("unix://")).parent.exists()
    assert "database system is shut down" in (place.directory_of(home) / "postgres.log").read_text()


async def test_start_in_another_thread_is_refused(home: Path) -> None:
    def start() -> None:
        with embedded.running(home, say=lambda sentence: None):
            pass

    with pytest.raises(RuntimeError, match="main thread"):
        await asyncio.to_thread(start)


def test_socket_directory_of_somebody_else_is_never_removed(tmp_path: Path) -> None:
    lock.remove_sockets(lock.Record(pid=1, sockets=str(tmp_path)))
    assert tmp_path.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user keeps the data in the home")
async def test_data_of_a_home_that_was_closed_later_are_taken_along(home: Path) -> None:
    with owned(home) as (_, addresses):
        await executed(addresses, "create table note (words text)")
    home.parent.chmod(0o700)
    with embedded.running(home, say=lambda sentence: None, durable=False, valkey=False) as addresses:
        assert place.directory_of(home) != home
        assert await executed(addresses, "select count(*) from note") == 0
