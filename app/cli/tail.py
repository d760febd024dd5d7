"""`feedgraph tail`: the log as it grows, seen from outside as any client sees it."""

import asyncio
import signal
from contextlib import suppress
from typing import Annotated, Any

import aiohttp
import orjson
import typer
from yarl import URL

from app.bench.event_source import Message, Refused, messages
from app.cli.terminal import leave, say
from app.domain.errors import ConfigurationError
from app.settings import Settings

TEXT_SHOWN = 60  # characters of a post


def tail(
    topic: Annotated[
        list[str] | None, typer.Option(help="posts, feed, author:ID or post:ID; may be repeated. Default: posts.")
    ] = None,
    after: Annotated[str, typer.Option(help="Begin behind this cursor (of an event, or of eventCursor). Default: now.")] = "",
    url: Annotated[str | None, typer.Option(help="The server. Default: the one on the configured port.")] = None,
    token: Annotated[str, typer.Option(help="Whose eyes to see with; needed for the topic feed.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print each event's JSON, a line each.")] = False,
) -> None:
    """Print what happens, event by event, until Ctrl-C; a server that is started again is found again, and nothing is missed."""
    signal.signal(signal.SIGTERM, leave)
    settings = Settings.load()
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104  # compared, not bound
    base = url or f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    address = URL(base).with_path("/api/v1/events").with_query(topics=",".join(topic or ["posts"]))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(follow(str(address), headers, after, as_json=json))


async def follow(url: str, headers: dict[str, str], after: str, *, as_json: bool) -> None:
    """Print the events of a stream, for ever.

    Raises:
        ConfigurationError: the server does not give it.
    """
    async with aiohttp.ClientSession() as session:
        try:
            stream = messages(session, url, headers=headers, last_id=after, on_break=lambda: say("Connecting again …"))
            async for message in stream:
                print(message.data if as_json else line_of(message), flush=True)
        except (Refused, ValueError) as error:
            raise ConfigurationError(f"{url}: {error}") from error


def line_of(message: Message) -> str:
    """Return an event as a line for people; what a post says cannot steer the terminal."""
    event: dict[str, Any] = orjson.loads(message.data)
    if message.type == "gap":
        return f"{message.id}  gap: events behind {event['from']} are not kept any more"
    if message.type == "end":
        return f"The stream ends: {event['detail']}"
    post = event["post"]
    words = [event["cursor"], event["at"], f"{event['type']:<13}", post["postId"]]
    if "content" in post:
        text = " ".join((post["title"] or post["content"]).split())
        words.append(f"by {post['authorId']}, {post['likesCount']} likes, {post['repliesCount']} replies: {text[:TEXT_SHOWN]}")
    return "".join(character if character.isprintable() else "�" for character in "  ".join(words))
