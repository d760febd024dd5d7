"""`feedgraph migrate`: brings the database's tables up to date."""

import asyncio

from app.cli.backends import postgres
from app.cli.terminal import say
from app.infra import migrations, opening
from app.settings import Settings


def migrate() -> None:
    """Apply the migrations that the database does not have yet; `serve` does so by itself."""
    settings = Settings.load()
    with postgres(settings) as database_url:
        applied = asyncio.run(run(settings, database_url))
    say(f"Applied {applied} migration{'' if applied == 1 else 's'}." if applied else "The database is up to date.")


async def run(settings: Settings, database_url: str) -> int:
    """Apply what is pending; return how many files that were."""
    async with opening.opened_database(settings, database_url, pool_size=2) as db:
        return await migrations.apply(db, say=say)
