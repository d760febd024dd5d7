"""`feedgraph tokens`: bearer tokens without signing in."""

import asyncio
from typing import Annotated

import typer

from app import services
from app.cli.backends import postgres
from app.cli.terminal import say
from app.infra import opening
from app.settings import Settings

app = typer.Typer(help="Make bearer tokens for accounts.", no_args_is_help=True, add_completion=False)


@app.callback()
def tokens() -> None:
    """Keep `create` a command of its own though it is the only one."""


@app.command()
def create(
    user: Annotated[str, typer.Option(help="Whose token it is: a username.")],
    unlimited: Annotated[bool, typer.Option("--unlimited", help="Count what it spends, but never throttle it.")] = False,
) -> None:
    """Print a new token."""
    settings = Settings.load()
    with postgres(settings) as database_url:
        print(asyncio.run(made(settings, database_url, user, is_unlimited=unlimited)))  # alone on standard output, for $(…)


async def made(settings: Settings, database_url: str, username: str, *, is_unlimited: bool) -> str:
    """Make the session; return its token."""
    async with opening.migrated_database(settings, database_url, say=say) as db:
        return await services.sessions.give(db, settings, username=username, is_unlimited=is_unlimited)
