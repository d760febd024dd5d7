"""`feedgraph posts`: what a moderator does."""

import asyncio
from typing import Annotated

import typer

from app import services
from app.cli.backends import postgres
from app.cli.terminal import say
from app.domain.ids import parse_id
from app.infra import opening
from app.settings import Settings

app = typer.Typer(
    help="Hide posts from everybody but their authors, and show them again.", no_args_is_help=True, add_completion=False
)

PostId = Annotated[str, typer.Argument(help="The post's id.")]


@app.command()
def hide(post_id: PostId) -> None:
    """Hide a post from everybody but its author."""
    set_hidden(post_id, hidden=True)
    say(f"Post {post_id} is hidden.")


@app.command()
def show(post_id: PostId) -> None:
    """Show a hidden post to everybody again."""
    set_hidden(post_id, hidden=False)
    say(f"Post {post_id} is shown.")


def set_hidden(post_id: str, *, hidden: bool) -> None:
    """Change the post in the configured database."""
    settings = Settings.load()
    number = parse_id(post_id)
    with postgres(settings) as database_url:
        asyncio.run(change(settings, database_url, number, hidden=hidden))


async def change(settings: Settings, database_url: str, post_id: int, *, hidden: bool) -> None:
    """Hide or show one post."""
    async with opening.migrated_database(settings, database_url, say=say) as db:
        await services.posts.hide(db, post_id, hidden=hidden)
