"""Start a server so that it cannot outlive us, wait until it is ready, stop it, and end what a killed run left."""

import ctypes
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import ConfigurationError
from app.infra.embedded.account import Account

READY_WAIT_S = 60.0  # recovery after a crash reads the whole log
PATIENCE_S = 2.0  # after this the user is told what we wait for
STOP_WAITS_S = (4.0, 0.5, 0.5)  # for each of a server's signals in turn; all in all within 5 s
MAX_LOG_BYTES = 10 * 1024 * 1024
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
# PostgreSQL's and initdb's words for what ends them; Valkey marks such lines with a sign.
COMPLAINT = re.compile(r"FATAL:|PANIC:|error:| # ")
LIBC = ctypes.CDLL(None, use_errno=True)  # loaded here: a child between fork and exec must not import


@dataclass(frozen=True, slots=True)
class Log:
    """A server's log file and the position where this run's lines begin."""

    path: Path
    start: int

    def complaint(self) -> str:
        """Return what says best why the server ended, without a full stop; empty where it wrote nothing in this run."""
        with self.path.open("rb") as lines:
            lines.seek(self.start)
            written = [line.strip() for line in lines.read().decode(errors="replace").splitlines() if line.strip()]
        fatal = [COMPLAINT.split(line)[-1] for line in written if COMPLAINT.search(line)]
        detail = [line.partition("DETAIL:")[2] for line in written if "DETAIL:" in line]
        return " ".join(part.strip().rstrip(".") for part in [*(fatal or written)[-1:], *detail[-1:]])


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was started: how to see that it is ready, and the signals that stop it, gentlest first."""

    name: str
    process: subprocess.Popen[bytes]
    address: str
    log: Log
    is_ready: Callable[[], bool]
    stop_signals: tuple[signal.Signals, ...]


def opened_log(path: Path) -> Log:
    """Return the log at `path`, emptied when it has grown too long."""
    with path.open("ab") as log:
        if log.tell() > MAX_LOG_BYTES:
            log.truncate(0)
        return Log(path, path.stat().st_size)


def environment() -> dict[str, str]:
    """Return a server's environment: ours may hold PGDATA, PGOPTIONS or a locale that the machine does not have."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def run(command: list[str], *, account: Account | None, log: Log, statement: str = "") -> bool:
    """Run a program to its end with `statement` on its standard input; return whether it succeeded."""
    process = start(command, account=account, log=log, at_parent_death=signal.SIGKILL, stdin=subprocess.PIPE)
    try:
        process.communicate(statement.encode())
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process.returncode == 0


def start(
    command: list[str],
    *,
    account: Account | None,
    log: Log,
    at_parent_death: signal.Signals,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that the terminal's Ctrl-C does not reach it.

    Only from the main thread: the kernel sends `at_parent_death` when the thread ends that started the program.
    """
    # A signal waits until the program is started: Python throws away what its handler raises in the midst of a fork.
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        with log.path.open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=stdin,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environment(),
                start_new_session=True,
                umask=0o077,
                user=account.user if account else None,
                group=account.group if account else None,
                extra_groups=[] if account else None,
                preexec_fn=dying_with_parent(at_parent_death, unblocked),  # noqa: PLW1509 - it only makes system calls
            )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)


def dying_with_parent(number: signal.Signals, blocked: Collection[int] = ()) -> Callable[[], None]:
    """Return what a child does between fork and exec: ask the kernel for a signal when we die."""
    parent = os.getpid()

    def prepare() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if os.getppid() != parent:  # we died before the kernel knew
            os._exit(1)

    return prepare


def await_ready(server: Server, say: Callable[[str], None]) -> None:
    """Wait until the server answers.

    Raises:
        ConfigurationError: it ended, or is not ready within READY_WAIT_S; the message has its own last words.
    """
    began = time.monotonic()
    told = False
    while not server.is_ready():
        waited_s = time.monotonic() - began
        if server.process.poll() is not None or waited_s > READY_WAIT_S:
            reason = server.log.complaint() or f"exit status {server.process.returncode}"
            raise ConfigurationError(f"{server.name} did not start: {reason}. Its log is {server.log.path}.")
        if waited_s > PATIENCE_S and not told:
            say(f"Waiting for {server.name} to read its data …")
            told = True
        time.sleep(0.005)


def stop(servers: list[Server]) -> None:
    """Stop the servers side by side, each by its signals in turn, and wait until they are gone."""
    for server in servers:
        server.process.send_signal(server.stop_signals[0])
    for server in servers:
        for harder, wait_s in zip((*server.stop_signals[1:], signal.SIGKILL), STOP_WAITS_S, strict=False):
            try:
                server.process.wait(wait_s)
                break
            except subprocess.TimeoutExpired:
                server.process.send_signal(harder)


def end_left_over(program: str, directory: Path, signals: tuple[signal.Signals, ...]) -> None:
    """End the processes of `program` that a killed run left at work in `directory`, and wait until they are gone."""
    for number, wait_s in zip(signals, STOP_WAITS_S, strict=False):
        left = at_work(program, directory)
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        deadline = time.monotonic() + wait_s
        while left and time.monotonic() < deadline:
            time.sleep(0.01)
            left = at_work(program, directory)
        if not left:
            return


def at_work(program: str, directory: Path) -> list[int]:
    """Return the ids of the living processes of `program` whose working directory is `directory`.

    A pid file proves nothing: its number may belong to somebody else by now, or to a zombie, which works nowhere.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            if (entry / "cwd").readlink() == directory and (entry / "comm").read_text().strip() == program:
                found.append(int(entry.name))
    return found


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Let nothing interrupt the block: a second Ctrl-C while stopping changes nothing."""
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in previous.items():
            if handler is not None:
                signal.signal(number, handler)
