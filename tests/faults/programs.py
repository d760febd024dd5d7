"""`feedgraph serve` as a program of its own, and a PostgreSQL and a Valkey that may be hurt."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import aiohttp

from app.infra.embedded import lock, place, process, valkey
from app.infra.embedded import postgres as postgres_server
from app.wiring import Running
from tests.clients import Person, TestServer
from tests.conftest import free_port, quiet

ROOT = Path(__file__).parents[2]
START_S = 40


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A directory for embedded servers, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="feedgraph-faults-") as folder:
        Path(folder).chmod(0o755)  # as root, the servers run under another account
        yield Path(folder) / "home"


def launched(port: int, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start the program with these arguments, and these variables beside the inherited ones that are not its own."""
    own = ("FEEDGRAPH_", "DATABASE_URL", "REDIS_URL")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    ports = {"FEEDGRAPH_PORT": str(port), "FEEDGRAPH_GRPC_PORT": str(free_port())}
    return subprocess.Popen(
        [sys.executable, "-m", "app", "serve", *arguments],
        cwd=ROOT,
        env={**inherited, **ports, "FEEDGRAPH_LOG_LEVEL": "error", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass
class Program(TestServer):
    """A server that runs as a program of its own; `running` is not there to be touched."""

    process: subprocess.Popen[str]

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.communicate()

    async def terminated(self, timeout_s: float = 10) -> tuple[int, str]:
        """Ask it to end; return exit status and what it said."""
        self.process.terminate()
        return await self.ended(timeout_s)

    async def ended(self, timeout_s: float = 10) -> tuple[int, str]:
        """Wait until it has ended; return exit status and what it said."""
        _, said = await asyncio.to_thread(self.process.communicate, timeout=timeout_s)
        return self.process.returncode, said

    async def status(self, path: str) -> int:
        """Return the status of an address, 0 where nobody answers."""
        try:
            async with self.http.get(self.url + path) as response:
                return response.status
        except aiohttp.ClientConnectionError:
            return 0

    async def becomes(self, path: str, status: int, timeout_s: float = START_S) -> None:
        """Wait until an address answers so."""
        async with asyncio.timeout(timeout_s):
            while await self.status(path) != status:
                if self.process.poll() is not None:
                    raise AssertionError(self.process.communicate()[1])
                await asyncio.sleep(0.02)

    async def somebody(self) -> Person:
        """Sign somebody up, as a user does."""
        username = f"u{secrets.token_hex(6)}"
        answer = await self.graphql(
            "mutation($input: SignUpInput!) { signUp(input: $input) { token user { id } } }",
            {"input": {"username": username, "password": "correct horse", "name": "Somebody"}},
        )
        signed = answer.data["signUp"]
        return Person(self, signed["user"]["id"], username, signed["token"])


@asynccontextmanager
async def program(port: int | None = None, *arguments: str, **environment: str) -> AsyncIterator[Program]:
    """Run the program until the block ends, ready at its begin."""
    port = port or free_port()
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        running = cast("Running", None)  # it is in another process
        server = Program(f"http://127.0.0.1:{port}", running, http, launched(port, *arguments, **environment))
        try:
            await server.becomes("/readyz", 200)
            yield server
        finally:
            if server.process.poll() is None:
                server.process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    server.process.communicate(timeout=15)
                server.kill()


class Backend:
    """A PostgreSQL or a Valkey that can be stopped, started and frozen; its address stays the same."""

    def __init__(self, home: Path, held: lock.Lock, kind: str) -> None:
        self._place = place.prepared(home, quiet)
        self._lock = held
        self._started = {"postgres": postgres_server.started, "valkey-server": valkey.started}[kind]
        self._kind = kind
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._server = self._started(self._place, self._lock, say=quiet, durable=True)
        process.await_ready(self._server, quiet)

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._server.address

    def stop(self) -> None:
        """End it in good order."""
        process.stop([self._server])

    def kill(self) -> None:
        """End it as a crash does."""
        self._server.process.kill()
        self._server.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to each of its processes."""
        folder = self._place.directory / self._kind.removesuffix("-server")
        for pid in process.at_work(self._kind, folder):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it hang: connections stay open, nothing is answered."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)


@contextmanager
def backend(kind: str) -> Iterator[Backend]:
    """Run a PostgreSQL ("postgres") or a Valkey ("valkey-server") of one's own."""
    with temporary_home() as home:
        where = place.prepared(home, quiet)
        with lock.held(where.directory / f"{kind}.lock", home) as held:
            server = Backend(home, held, kind)
            try:
                yield server
            finally:
                server.signal(signal.SIGCONT)
                server.stop()


async def gone(*homes: Path) -> None:
    """Wait until no server works on the homes any more; one that lost its parent takes a moment."""
    async with asyncio.timeout(10):
        while any(processes_of(home) for home in homes):  # noqa: ASYNC110  # they are not our children: nobody tells us
            await asyncio.sleep(0.01)


def processes_of(home: Path) -> list[int]:
    """Return the living servers whose data are in the home."""
    directory = place.directory_of(home)
    return process.at_work("postgres", directory / "postgres") + process.at_work("valkey-server", directory / "valkey")
