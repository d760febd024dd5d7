"""`feedgraph bench fetches` as a person runs it."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from app.bench.tables import MARKERS
from tests.conftest import free_port

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]

ONE_CPU_RUN = ("--cpu-runs", "1")


async def started(*arguments, command="fetches", **environment):
    """Start the command where no setting of the tests' own environment reaches it, and no .env."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FEEDGRAPH_", "DATABASE_", "REDIS_"))}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "bench", command, *arguments),
        cwd="/",
        env=inherited | {"PYTHONPATH": str(Path(__file__).parents[2])} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(*arguments, command="fetches", **environment):
    """Run the command to its end; return exit status, standard output and standard error."""
    process = await started(*arguments, command=command, **environment)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def temporary():
    """A place for temporary files that is empty at the end; the account of root's PostgreSQL may enter it."""
    place = Path(tempfile.mkdtemp(prefix="bench-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def processes_at(place):
    """Return the command lines that name a place."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue  # it has ended
        if str(place).encode() in line:
            found.append(line)
    return found


async def test_everything_is_written_and_the_table_printed(demo_server, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("\n".join(["before", *MARKERS, "behind", ""]))
    written = ["--json", tmp_path / "f.json", "--html", tmp_path / "f.html", "--markdown", readme]

    status, out, err = await run(
        "--url", demo_server.url, "--runs", "2", *ONE_CPU_RUN, "--round-trip-ms", "10", *map(str, written)
    )

    assert status == 0, err
    assert "careful REST" in out
    assert "ms at 10 ms" in out
    document = json.loads((tmp_path / "f.json").read_bytes())
    assert [cost["requests"] for cost in document["screens"][0]["costs"]] == [22, 2, 1]
    assert (tmp_path / "f.html").read_text().startswith("<!doctype html>")
    assert "| profile | naive REST | 22 | 22 |" in readme.read_text()
    assert err.splitlines() == [f"Wrote {tmp_path / 'f.json'}.", f"Wrote {tmp_path / 'f.html'}.", f"Wrote {readme}."]


async def test_server_on_the_configured_port_is_found(demo_server):
    status, out, err = await run("--runs", "1", *ONE_CPU_RUN, FEEDGRAPH_PORT=demo_server.url.rpartition(":")[2])

    assert status == 0, err
    assert demo_server.url in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--url", "http://127.0.0.1:9"], "http://127.0.0.1:9 cannot be reached: Connection refused."),
        (["--json", "/no/such/place.json"], "Cannot write /no/such/place.json: "),
        (["--html", "/"], "Cannot write /: it is a directory"),
        (["--markdown", __file__], f"{__file__} must have the lines"),
    ],
)
async def test_what_cannot_be_done_ends_with_one_sentence_before_anything_is_started(arguments, sentence):
    status, out, err = await run(*arguments, FEEDGRAPH_PORT=str(free_port()))

    assert (status, out) == (2, "")
    assert err.startswith(f"feedgraph: {sentence}")
    assert err.count("\n") == 1


async def test_server_of_its_own_has_demo_data_and_is_gone_afterwards(temporary):
    status, out, err = await run(
        *("--runs", "1", *ONE_CPU_RUN),
        FEEDGRAPH_PORT=str(free_port()),
        FEEDGRAPH_ENV="production",  # the run's own server does not inherit it, nor the database
        DATABASE_URL="postgresql://nobody@127.0.0.1:9/none",
        TMPDIR=str(temporary),
    )

    assert status == 0, err
    assert "starting a server with demo data" in err
    assert "home feed" in out
    assert processes_at(temporary) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_while_its_own_server_starts_leaves_nothing_behind(temporary, number, expected):
    process = await started("--runs", "1000", FEEDGRAPH_PORT=str(free_port()), TMPDIR=str(temporary))
    async with asyncio.timeout(60):
        while not list(temporary.glob("feedgraph-bench-*/data")):  # noqa: ASYNC110  # another process makes it
            await asyncio.sleep(0.05)
        process.send_signal(number)
        _, err = await process.communicate()

    assert process.returncode == expected
    assert "Traceback" not in err.decode()
    assert processes_at(temporary) == []
    assert list(temporary.iterdir()) == []
