"""The servers that a benchmark measures: one that runs already, or ones that are started for a run and end with it."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from app.cli.terminal import console, say
from app.domain.errors import ConfigurationError
from app.infra.embedded.process import dying_with_parent
from app.settings import PREFIX, Settings

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 10
POLL_S = 0.1


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """Give the address of the server to measure: the named one, the one on the configured port, or one for this run."""
    settings = Settings.load()
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104  # compared, not bound
    if url is not None:
        yield url
    elif answers(host, settings.port):
        yield f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    else:
        say(f"Nothing runs on port {settings.port}: starting a server with demo data for this run …")
        with own_server() as address:
            yield address


def grpc_beside(url: str) -> str | None:
    """Return where the server at an address listens for gRPC; None where that can be no address."""
    settings, parts = Settings.load(), urlsplit(url)
    if parts.hostname is None or parts.port is None:
        return None
    own = {} if parts.port == settings.port else {"grpc_port": None}
    return settings.model_copy(update={"host": parts.hostname, "port": parts.port, **own}).grpc_address


def answers(host: str, port: int) -> bool:
    """Say whether anything listens there."""
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


@contextmanager
def own_server(**settings: str) -> Iterator[str]:
    """Give the address of a server that has its own data and these settings, and ends with the context.

    Raises:
        ConfigurationError: it did not start.
    """
    changes = {PREFIX + name: value for name, value in settings.items()}
    with own_home() as home, program(home, "app", "serve", "--demo", port=(port := free_port()), **changes):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def own_home() -> Iterator[Path]:
    """Give a directory for the servers of one run."""
    with tempfile.TemporaryDirectory(prefix="feedgraph-bench-") as name:
        home = Path(name)
        home.chmod(0o755)  # as root, the embedded PostgreSQL runs under another account
        yield home


@contextmanager
def program(home: Path, module: str, *arguments: str, port: int, **changes: str) -> Iterator[int]:
    """Run a Python module that listens on a port while the context is open; give its process id once it is ready.

    Raises:
        ConfigurationError: it did not start.
    """
    log = home / f"log-{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=home,  # no .env there: whatever database is configured, demo data must not land in it
            env=own_environment(home, port) | changes,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # the terminal's Ctrl-C is for us; we stop it
            preexec_fn=dying_with_parent(signal.SIGTERM, set()),  # noqa: PLW1509  # it only makes two system calls
        )
    try:
        await_ready(process, port, log)
        yield process.pid
    finally:
        stop(process)


def own_environment(home: Path, port: int) -> dict[str, str]:
    """Return the environment of the server: ours without any setting of feedgraph, but these."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}
    kept = {name: value for name, value in kept.items() if name.upper() not in {"DATABASE_URL", "REDIS_URL"}}
    own = {"PORT": str(port), "DATA_DIR": str(home / "data"), "LOG_LEVEL": "warning"}
    return kept | {PREFIX + name: value for name, value in own.items()}


def await_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until the server is ready, and tell meanwhile what it does.

    Raises:
        ConfigurationError: it ended, or took too long.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    with console.status("Starting …") as status:
        while not is_ready(port):
            lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            if lines:
                status.update(lines[-1].strip())
            if process.poll() is not None or time.monotonic() > deadline:
                reason = lines[-1].removeprefix("feedgraph: ") if lines else "it said nothing."
                raise ConfigurationError(f"The server for this run did not start: {reason}")
            time.sleep(POLL_S)


def is_ready(port: int) -> bool:
    """Say whether the server can serve."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server and what it started; if it does not end in time, end it by force."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
