"""One owner for each server of a home: a locked file that also tells others where the server listens."""

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from app.domain.errors import ConfigurationError

# /tmp and not TMPDIR: a socket's path has at most 107 bytes, and the servers' account must be able to enter.
SOCKETS_PARENT = Path("/tmp")  # noqa: S108 - only a directory made by mkdtemp is used in it
SOCKETS_PREFIX = "feedgraph-"
LOCK_WAIT_S = 1.0  # somebody may be looking whether the lock is held
STARTING_WAIT_S = 10.0  # a holder that has no address yet is still starting


@dataclass(frozen=True, slots=True)
class Record:
    """What the holder writes into its locked file; `address` is empty until the server is ready."""

    pid: int
    sockets: str
    address: str = ""


class Lock:
    """A lock that is held; it ends with the process, however that ends."""

    def __init__(self, descriptor: int, sockets: Path) -> None:
        self._descriptor = descriptor
        self.sockets = sockets
        self._record = Record(os.getpid(), str(sockets))
        self._write(self._record)

    def announce(self, address: str) -> None:
        """Tell `address_of` where the server listens; an empty address takes it back."""
        self._write(replace(self._record, address=address))

    def _write(self, record: Record) -> None:
        line = json.dumps(asdict(record)).encode()
        os.pwrite(self._descriptor, line, 0)
        os.ftruncate(self._descriptor, len(line))


@contextmanager
def held(path: Path, home: Path) -> Iterator[Lock]:
    """Hold the lock file at `path` and a fresh directory for sockets; both end with the block.

    Raises:
        ConfigurationError: another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        take(descriptor, home)
        remove_sockets(read(descriptor))
        sockets = Path(tempfile.mkdtemp(prefix=SOCKETS_PREFIX, dir=SOCKETS_PARENT))
        try:
            yield Lock(descriptor, sockets)
        finally:
            shutil.rmtree(sockets, ignore_errors=True)
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def take(descriptor: int, home: Path) -> None:
    """Lock the open file, or say who has it."""
    deadline = time.monotonic() + LOCK_WAIT_S
    while not locks(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            holder = read(descriptor)
            raise ConfigurationError(
                f"The data directory {home} is in use by another feedgraph{f' (process {holder.pid})' if holder else ''}: "
                "stop that one, or choose another FEEDGRAPH_PORT or FEEDGRAPH_DATA_DIR."
            )
        time.sleep(0.02)


def locks(descriptor: int, kind: int) -> bool:
    """Try to lock the open file without waiting; return whether it was possible."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def address_of(path: Path) -> str:
    """Return the address of the server whose lock file is `path`, empty where nobody holds it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        deadline = time.monotonic() + STARTING_WAIT_S
        while time.monotonic() < deadline and not locks(descriptor, fcntl.LOCK_SH):
            record = read(descriptor)
            if record and record.address:
                return record.address
            time.sleep(0.02)
    finally:
        os.close(descriptor)
    return ""


def read(descriptor: int) -> Record | None:
    """Return what the last holder wrote, None where it left nothing behind."""
    try:
        return Record(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):
        return None


def remove_sockets(left: Record | None) -> None:
    """Remove the socket directory that a killed holder left, and nothing that only looks like one."""
    if left is None:
        return
    sockets = Path(left.sockets)
    if sockets.parent == SOCKETS_PARENT and sockets.name.startswith(SOCKETS_PREFIX):
        shutil.rmtree(sockets, ignore_errors=True)
