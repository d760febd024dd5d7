"""`feedgraph demo`: fills an empty database with a made-up social world."""

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.cli.backends import postgres
from app.cli.terminal import console, say
from app.domain.demo import DEMO_TOKEN, DEMO_USER_ID
from app.infra import opening
from app.infra.database import Database
from app.services.demo import Summary, WorldSize, load
from app.services.demo.size import DEFAULT_USERS
from app.settings import Settings

DEFAULT_SEED = 1


def demo(
    users: Annotated[int, typer.Option(help="People, numbered from 1; 123 to 100,000.")] = DEFAULT_USERS,
    posts: Annotated[int | None, typer.Option(help="Top-level posts; default: 5 for each user, at most 250,000.")] = None,
    replies: Annotated[int | None, typer.Option(help="Replies; default: 3 for each post; with posts at most 1,000,000.")] = None,
    follows: Annotated[int | None, typer.Option(help="Follows; default: 25 for each user.")] = None,
    likes: Annotated[int | None, typer.Option(help="Likes; default: 30 for each user.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed makes another world; the same one makes the same.")] = DEFAULT_SEED,
    replace: Annotated[bool, typer.Option("--replace", help="First delete EVERYTHING in the database.")] = False,
) -> None:
    """Load a made-up social world: people, follows, posts in many languages, threads and likes."""
    settings = Settings.load()
    size = WorldSize.scaled(users, posts=posts, replies=replies, follows=follows, likes=likes)
    with postgres(settings) as database_url:
        say(asyncio.run(run(settings, database_url, size, seed, replace=replace)))


async def run(settings: Settings, database_url: str, size: WorldSize, seed: int, *, replace: bool) -> str:
    """Bring the database up to date and load the world; return what to tell of it."""
    async with opening.migrated_database(settings, database_url, say=say) as db:
        return await loaded(settings, db, size, seed, replace=replace)


async def loaded(settings: Settings, db: Database, size: WorldSize, seed: int, *, replace: bool = False) -> str:
    """Load the world, with a progress bar for each table; return what to tell of it.

    Raises:
        ConfigurationError: there are users already and `replace` is false, or this is production.
    """
    with bars() as progress:
        summary = await load(db, size, seed, report_on(progress), replace=replace, is_production=settings.is_production)
    return sentence_on(summary)


def bars() -> Progress:
    """Return an empty display of progress."""
    return Progress(
        TextColumn("{task.description:>8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def report_on(progress: Progress) -> Callable[[str, int, int], None]:
    """Return a function that draws a bar for each step which it is told of."""
    tasks: dict[str, TaskID] = {}

    def report(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = progress.add_task(step, total=total)
        progress.update(tasks[step], completed=done)

    return report


def sentence_on(summary: Summary) -> str:
    """Return what was loaded, and how to be somebody in it."""
    world = summary.world
    return (
        f"Loaded {world.users:,} users, {world.posts:,} posts, {world.replies:,} replies, {world.follows:,} follows and "
        f"{world.likes:,} likes (seed {summary.seed}). User {DEMO_USER_ID} signs in with the token {DEMO_TOKEN}."
    )
