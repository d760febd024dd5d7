"""What the processes that serve a port have used of the CPU, as Linux tells it: see proc(5)."""

import socket
from pathlib import Path

from yarl import URL

from app.bench import processes
from app.bench.processes import PROC
from app.bench.wire import CannotMeasure

LISTENING = "0A"  # TCP_LISTEN


def cpu_s(url: str) -> float | None:
    """Return the CPU seconds, user and system, of all processes that listen at an address; None where they cannot be seen."""
    pids = listeners(url)
    try:
        return sum(map(processes.cpu_s, pids)) if pids else None
    except CannotMeasure:
        return None  # one of them has just ended


def listeners(url: str) -> list[int]:
    """Return the processes of this machine that listen on the address's port; none where it is another machine's."""
    address = URL(url)
    try:
        is_here = socket.gethostbyname(address.host or "").startswith("127.")
    except OSError:
        is_here = False
    if not is_here:
        return []
    sockets = {f"socket:[{inode}]" for inode in listening_inodes(address.port or 0)}
    return [int(entry.name) for entry in PROC.glob("[0-9]*") if sockets & set(links_in(entry / "fd"))]


def listening_inodes(port: int) -> set[str]:
    """Return the inodes of the sockets that listen on a port."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def links_in(folder: Path) -> list[str]:
    """Return what a process's open files are; none where it is gone or somebody else's."""
    links = []
    try:
        for entry in folder.iterdir():
            links.append(str(entry.readlink()))
    except OSError:
        pass
    return links
