"""`feedgraph bench cache`: a cache hit beside an aiohttp handler that returns the same bytes."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from app.bench import hits_tables as tables
from app.bench.hits import ACCEPT, HitsPlan, address_of, measure, register
from app.bench.wire import CannotMeasure
from app.cli.bench.outputs import FILE_WIDTH
from app.cli.bench.servers import free_port, own_home, program
from app.cli.terminal import behind_a_bar, leave, output, say
from app.domain.demo import DEMO_USER_ID
from app.domain.errors import ConfigurationError
from app.settings import PREFIX

# Limits stay on; the load comes from one anonymous address, which may spend only so much a second, so its bucket is made large.
SERVER = {
    f"{PREFIX}ANONYMOUS_POINTS": "1000000000",
    f"{PREFIX}ANONYMOUS_POINTS_PER_S": "100000000",
    f"{PREFIX}LOG_LEVEL": "info",
}


def cache(
    user: Annotated[int, typer.Option(help="Whose page is asked for.")] = DEMO_USER_ID,
    seconds: Annotated[float, typer.Option(min=0.05, max=20, help="Length of one measurement.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, max=1_000, help="Measurements of each; the table shows medians.")] = 5,
    connections: Annotated[int, typer.Option(min=1, max=1_000, help="Connections that are kept busy.")] = 16,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
) -> None:
    """Measure a persisted public query that hits the response cache, beside an aiohttp handler that returns the same bytes."""
    signal.signal(signal.SIGTERM, leave)
    port, floor_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    try:
        say("Starting a server with demo data for this run …")
        with own_home() as home, program(home, "app", "serve", "--demo", port=port, **SERVER) as pid:
            asyncio.run(register(url, str(user)))
            floor = (url + address_of(str(user)), ACCEPT, str(floor_port))
            with program(home, "app.bench.hits_floor", *floor, port=floor_port) as floor_pid:
                plan = HitsPlan(port, pid, floor_port, floor_pid, str(user), seconds, rounds, connections)
                report = behind_a_bar(lambda tell: measure(plan, tell))
        tables.print_table(report, output(FILE_WIDTH))
        if json is not None:
            json.write_bytes(tables.as_json(report))
            say(f"Wrote {json}.")
    except CannotMeasure as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise ConfigurationError(f"Cannot write {error.filename}: {error.strerror}.") from error
