"""Which process of this machine listens at an address, as Linux tells it."""

import socket
from contextlib import suppress
from pathlib import Path

from yarl import URL

PROC = Path("/proc")
LISTEN = "0A"  # a state in /proc/net/tcp


def listener_of(url: str) -> int | None:
    """Return the process that serves an address of this machine; None where it is another's, or may not be looked into."""
    address = URL(url)
    if not is_local(address.host or ""):
        return None
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in listening(PROC / "net" / table, address.port or 0)}
    for folder in sorted(PROC.glob("[0-9]*/fd"), key=lambda path: int(path.parent.name)):
        with suppress(OSError):  # it has ended, or is another user's
            if any(str(descriptor.readlink()) in inodes for descriptor in folder.iterdir()):
                return int(folder.parent.name)
    return None


def is_local(host: str) -> bool:
    """Say whether a name means this machine."""
    with suppress(OSError):
        return all(entry[4][0] in {"127.0.0.1", "::1"} for entry in socket.getaddrinfo(host, None))
    return False


def listening(table: Path, port: int) -> list[str]:
    """Return the inodes of the sockets that listen on a port; see proc_net_tcp in the kernel's documentation."""
    with suppress(OSError):
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
        return [row[9] for row in rows if row[3] == LISTEN and int(row[1].rpartition(":")[2], 16) == port]
    return []
