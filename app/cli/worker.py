"""`feedgraph worker`: a process that runs jobs and serves nobody."""

import signal
import sys

import uvloop

from app import wiring
from app.cli.backends import shared
from app.cli.terminal import leave, say
from app.infra.telemetry import configure_logs
from app.settings import Settings


def worker() -> None:
    """Run jobs, beside those that servers run; as many of these processes as wanted, on the same PostgreSQL and Redis."""
    signal.signal(signal.SIGTERM, leave)
    settings = Settings.load()
    configure_logs(level=settings.log_level, style=settings.log_style)
    with shared(settings) as addresses:
        try:
            uvloop.run(wiring.work(settings, addresses, say=say))
        except KeyboardInterrupt:
            sys.exit(130)
    say("Stopped.")
