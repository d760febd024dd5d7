"""What tests stand on: real PostgreSQL and Redis, a database of their own, and servers on free ports.

DATABASE_URL and REDIS_URL, where set, name the servers to use (the user must be allowed to create databases); else embedded ones
run for as long as the tests. Each test process makes a database of its own, migrates it once, and empties it before each test.
"""

import gc
import itertools
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import pytest
import structlog
from aiohttp import web_app
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app import wiring
from app.domain.errors import Conflict
from app.infra import database, embedded, migrations
from app.infra.database import Database
from app.infra.embedded import Addresses
from app.services import sessions
from app.services.demo import WorldSize, load
from app.settings import Settings
from tests.browsers import browser, chromium_path
from tests.clients import TestServer

__all__ = ["browser", "chromium_path"]  # fixtures

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A suite that a shell started in the background inherits that, and so would the programs that tests send Ctrl-C to.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Programs that tests start keep what they compile, even where a container says otherwise: it is a third of what a start costs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# As servers log: the default draws each exception with its local variables, and stops the loop for a second to do so.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# Where all rows go or a whole world comes, the triggers of references need not ask about each row. Only a superuser can switch
# them off, which the embedded server's account is.
UNASKED = "select set_config('session_replication_role', 'replica', true) where current_setting('is_superuser') = 'on';"

# Rows are deleted rather than tables truncated: new files for each table and index cost a hundred times as much. The lock waits
# for whoever still writes (a relay that is stopping), and keeps them away meanwhile.
TABLES = (
    "dead_letters, jobs, pgqueuer, media, archived_media, blob_pieces, blobs, imported_posts, idempotency_keys, likes, follows, "
    "posts, sessions, users, outbox, event_log"
)
EMPTY = f"""
set local lock_timeout = 100;
{UNASKED}
lock table {TABLES}, event_log_head in exclusive mode;
{"".join(f"delete from {table};" for table in TABLES.split(", "))}
update event_log_head set position = 0, oldest = 0
"""
TRIES_TO_EMPTY = 100

WORLD = ("users", "posts", "follows", "likes", "sessions")  # each behind what it refers to
KEEP_WORLD = "create schema demo_world;" + "".join(f"create table demo_world.kept_{table} as table {table};" for table in WORLD)
COPY_WORLD = UNASKED + "".join(f"insert into {table} table demo_world.kept_{table};" for table in WORLD)


def pytest_collection_finish():
    """Spare the collector what lives as long as the run: pytest collects garbage after each test that watches for warnings."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser):
    """Let random tests run longer than a change has time for."""
    parser.addoption("--rounds", type=int, default=1, help="how often tests with a random course run, each time another one")
    parser.addoption("--fuzz", type=int, default=3, help="examples that schemathesis makes up for each operation")
    parser.addoption("--reconnects", type=int, default=60, help="how often clients break off and come back in the test of that")


def pytest_generate_tests(metafunc):
    """Number the rounds of a test that asks for them."""
    if "round_" in metafunc.fixturenames:
        metafunc.parametrize("round_", range(metafunc.config.getoption("rounds")))


@pytest.fixture
def reconnects(request) -> int:
    """How often clients break off and come back."""
    return int(request.config.getoption("reconnects"))


def quiet(*_args):
    """Say nothing."""


COSTLY = sessions._hasher
CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """Hash passwords by the same function at the least cost: what makes guessing slow makes most tests slow for nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "_hasher", CHEAP)
        yield


@pytest.fixture
def _costly_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hash passwords as the server does."""
    monkeypatch.setattr(sessions, "_hasher", COSTLY)
    sessions._nobody.cache_clear()
    yield
    sessions._nobody.cache_clear()


@pytest.fixture(scope="session")
def servers() -> Iterator[Addresses]:
    """The PostgreSQL and the Redis of this test process."""
    given = Addresses(os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", ""))
    with tempfile.TemporaryDirectory(prefix="feedgraph-tests-") as home:
        Path(home).chmod(0o755)  # as root, the embedded PostgreSQL runs under another account
        with embedded.running(
            Path(home), say=quiet, durable=False, postgres=not given.database_url, valkey=not given.redis_url
        ) as own:
            yield Addresses(given.database_url or own.database_url, given.redis_url or own.redis_url)


@pytest.fixture(scope="session")
async def addresses(servers: Addresses) -> AsyncIterator[Addresses]:
    """The servers, with a fresh database that is dropped at the end."""
    name = f"feedgraph_test_{secrets.token_hex(6)}"
    parts = urlsplit(servers.database_url)
    own_url = urlunsplit(parts._replace(path=f"/{name}"))
    admin, admin_pool = await database.connect(servers.database_url, pool_size=1, acquire_timeout_s=10, statement_timeout_s=60)
    await admin.execute(f"create database {name}")
    try:
        yield Addresses(own_url, servers.redis_url)
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await database.close(admin_pool, timeout_s=5)


@pytest.fixture(scope="session")
async def migrated(addresses: Addresses) -> AsyncIterator[Database]:
    """The database with its tables, for the whole run."""
    db, pool = await database.connect(addresses.database_url, pool_size=10, acquire_timeout_s=10, statement_timeout_s=60)
    await migrations.apply(db, say=quiet)
    yield db
    await database.close(pool, timeout_s=5)


@pytest.fixture
async def db(migrated: Database) -> Database:
    """The database, empty; its `counts` start at zero."""
    await empty(migrated)
    return migrated.counted(database.Counts())


async def empty(db: Database) -> None:
    """Remove all rows, again and again while somebody who is stopping holds locks or takes them in another order."""
    for left in reversed(range(TRIES_TO_EMPTY)):
        try:
            async with db.transaction() as tx:
                return await tx.execute(EMPTY)
        except (Conflict, asyncpg.LockNotAvailableError):
            if not left:
                raise
    return None


@pytest.fixture
def settings(servers: Addresses) -> Settings:
    """The settings of a server on a free port, with Redis keys of its own."""
    return make_settings()


def make_settings(**changes) -> Settings:
    """Return settings for a test server: defaults, whatever the environment says, and these changes."""
    own = {"port": free_port(), "grpc": False, "grpc_port": free_port(), "redis_prefix": f"test:{secrets.token_hex(6)}:"}
    # Tests write many documents from one address, and count statements whether or not a second has passed.
    values = {**own, "max_new_documents_per_minute": 100_000, "session_cache_s": 0.0, **changes}
    return unchanged_settings().model_copy(update=values)


@cache
def unchanged_settings() -> Settings:
    """Return the defaults; read once, because reading the environment costs as much as many a test."""
    return Settings.model_validate({name: field.default for name, field in Settings.model_fields.items()})


FIRST_PORT, PORTS = 20_000, 3_000  # of one test process: below those that the system gives to whoever connects somewhere
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4
_ports = itertools.count(secrets.randbelow(PORTS))


def free_port() -> int:
    """Return a port that nobody listens on, and that this process has not given away a moment ago."""
    for number in itertools.islice(_ports, PORTS):
        port = FIRST_PORT + WORKER * PORTS + number % PORTS
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("All ports of the tests are taken.")


@pytest.fixture
async def start_server(addresses: Addresses, db: Database):
    """A function that starts a server on the emptied database; keyword arguments change its settings."""
    async with AsyncExitStack() as stack:

        async def start(**changes) -> TestServer:
            settings = make_settings(**changes)
            running = await stack.enter_async_context(wiring.running(settings, addresses, say=quiet))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return TestServer(f"http://127.0.0.1:{settings.port}", running, http)

        yield start
    # aiohttp remembers the middlewares of up to a thousand handlers, and with them whole applications.
    web_app._cached_build_middleware.cache_clear()


@pytest.fixture
async def server(start_server) -> TestServer:
    """A server with default settings on the emptied database."""
    return await start_server()


@pytest.fixture
async def demo_world(db: Database) -> WorldSize:
    """A small made-up world in the database; ask for it before the server, which looks for the demo user when it starts.

    It is made once in a test process; later tests get a copy of its rows.
    """
    world = WorldSize(users=150, posts=600, replies=1_200, follows=2_000, likes=2_000)
    if await db.fetchval("select to_regnamespace('demo_world') is null"):
        await load(db, world, 1, quiet)
        await db.execute(KEEP_WORLD)
    else:
        async with db.transaction() as tx:
            await tx.execute(COPY_WORLD)
        await db.execute("analyze users, posts, follows, likes, sessions")
    return world
