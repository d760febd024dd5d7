"""The private PostgreSQL and Valkey that run when no address of others is given.

account    who runs the servers when we are root, and the programs where that account can read them
place      where the data of a home live
lock       one owner for each server of a home; tells others where it listens
process    start, wait, stop, end what a killed run left
postgres   the two servers
valkey
"""

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import ConfigurationError
from app.infra.embedded import lock, place, process
from app.infra.embedded import postgres as postgres_server
from app.infra.embedded import valkey as valkey_server

__all__ = ["Addresses", "attached", "running"]

POSTGRES_LOCK = "postgres.lock"
VALKEY_LOCK = "valkey.lock"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the embedded servers listen; the field of a server that does not run is empty."""

    database_url: str
    redis_url: str


@contextmanager
def running(
    home: Path, *, say: Callable[[str], None], durable: bool = True, postgres: bool = True, valkey: bool = True
) -> Iterator[Addresses]:
    """Run the servers whose data are in `home` for the length of the block; the data stay for the next time.

    A kill -9 of this process ends the servers too. To be called in the main thread: the kernel ends a server when the
    thread ends that started it.

    Args:
        home: directory of data, logs and locks, made when it is missing; one owner at a time.
        say: gets a short sentence for each step.
        durable: False trades durability for speed, for tests: a crash of the machine loses data, and data that had to be
            kept outside the home go at the end.
        postgres: whether to run PostgreSQL.
        valkey: whether to run Valkey.

    Raises:
        ConfigurationError: the home is in use or not writable, or a server cannot run here.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("The embedded servers must be started in the main thread.")
    if sys.platform != "linux":
        raise ConfigurationError("The embedded servers run on Linux only: set DATABASE_URL and REDIS_URL to servers of your own.")
    with ExitStack() as stack:
        try:
            yield start_all(home, stack, say=say, durable=durable, postgres=postgres, valkey=valkey)
        finally:
            with process.signals_ignored():
                stack.close()


def start_all(
    home: Path, stack: ExitStack, *, say: Callable[[str], None], durable: bool, postgres: bool, valkey: bool
) -> Addresses:
    """Start the wanted servers side by side; `stack` stops them and frees what they hold."""
    where = place.prepared(home, say)
    if where.is_new_outside and not durable:
        stack.callback(shutil.rmtree, where.directory, ignore_errors=True)
    valkey_lock = stack.enter_context(lock.held(where.directory / VALKEY_LOCK, where.home)) if valkey else None
    postgres_lock = stack.enter_context(lock.held(where.directory / POSTGRES_LOCK, where.home)) if postgres else None
    servers: list[tuple[lock.Lock, process.Server]] = []
    stack.callback(stop_all, servers)
    if valkey_lock:
        servers.append((valkey_lock, valkey_server.started(where, valkey_lock, say=say, durable=durable)))
    if postgres_lock:
        servers.append((postgres_lock, postgres_server.started(where, postgres_lock, say=say, durable=durable)))
    addresses = {}
    for held, server in servers:
        process.await_ready(server, say)
        held.announce(server.address)
        addresses[held] = server.address
    return Addresses(
        addresses[postgres_lock] if postgres_lock else "",
        addresses[valkey_lock] if valkey_lock else "",
    )


def stop_all(servers: list[tuple[lock.Lock, process.Server]]) -> None:
    """Stop the servers; nobody shall find one that is about to go."""
    for held, _ in servers:
        held.announce("")
    process.stop([server for _, server in servers])


def attached(home: Path) -> Addresses | None:
    """Return where the servers listen that another living process runs for `home`, None where there is none.

    A server that is just starting is waited for.
    """
    directory = place.directory_of(home.resolve())
    addresses = Addresses(lock.address_of(directory / POSTGRES_LOCK), lock.address_of(directory / VALKEY_LOCK))
    return addresses if addresses.database_url or addresses.redis_url else None
