"""`feedgraph jobs`: the dead letters, which are jobs that failed for a reason of the server's."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from app import services
from app.cli.backends import postgres
from app.cli.terminal import console, say
from app.domain.ids import parse_id
from app.domain.times import wire_time
from app.infra import opening
from app.infra.database import Database
from app.settings import Settings

app = typer.Typer(
    help="Look at jobs that failed for good, run them again, or drop them.", no_args_is_help=True, add_completion=False
)

JobId = Annotated[str, typer.Argument(help="The failed job's id.")]
Result = TypeVar("Result")


@app.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many, the newest first.")] = 50) -> None:
    """List the dead letters."""
    letters = in_database(lambda db: services.jobs.dead_letters(db, limit=limit))
    table = Table("job", "kind", "owner", "attempts", "code", "failed at", "error")
    for job, error, at in letters:
        last_line = error.strip().rpartition("\n")[2][:200]
        table.add_row(str(job.id), job.kind, str(job.owner_id), str(job.attempts), job.error_code, wire_time(at), last_line)
    if letters:
        console.print(table, markup=False)
    else:
        say("There are no dead letters.")


@app.command()
def retry(job_id: JobId) -> None:
    """Run a dead letter again, as a new job; the failed one stays as it ended."""
    number = parse_id(job_id)
    job = in_database(lambda db: services.jobs.revive(db, number))
    say(f"Job {job.id} does the work of job {job_id}.")


@app.command()
def drop(job_id: JobId) -> None:
    """Give a dead letter up."""
    number = parse_id(job_id)
    in_database(lambda db: services.jobs.drop(db, number))
    say(f"Job {job_id} is dropped.")


def in_database(work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Do the work in the configured database; return its result."""
    settings = Settings.load()

    async def done(database_url: str) -> Result:
        async with opening.migrated_database(settings, database_url, say=say) as db:
            return await work(db)

    with postgres(settings) as database_url:
        return asyncio.run(done(database_url))
