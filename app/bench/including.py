"""REST as it is meant: a screen names its fields and the neighbours it wants along, and siblings are asked for at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from app.bench.screens import PERSON_FIELDS, POST_FIELDS, POSTS, PROFILE_FIELDS, REPLIES, Screen, Target, chosen
from app.bench.wire import Wire

PERSON = [name for name in PERSON_FIELDS if name != "id"]  # the id comes always
POST = [name for name in POST_FIELDS if name != "id"]
PROFILE = [name for name in PROFILE_FIELDS if name != "id"]


async def including(wire: Wire, screen: Screen, target: Target) -> tuple[Any, int]:
    """Assemble the screen with one request for each thing that its address names, all at once; so there is one round trip."""
    return await ASSEMBLED[screen.name](wire, target), 1


async def profile(wire: Wire, target: Target) -> Any:
    """Assemble a user with their posts, whose author is known."""
    path = f"/users/{target.user_id}"
    shown = {*PROFILE, *PERSON}
    user, posts = await asyncio.gather(
        wire.get(f"{path}?fields={','.join(sorted(shown))}"),
        wire.get(f"{path}/posts?first={POSTS}&fields={','.join(POST)}"),
    )
    return {"user": {**chosen(user, "userId", PROFILE_FIELDS), "posts": [dressed({**post, "author": user}) for post in posts]}}


async def home(wire: Wire, _target: Target) -> Any:
    """Assemble the first page of the home feed."""
    posts = await wire.get(f"/feed?first={POSTS}&{WITH_REPLIES}")
    return {"feed": {"nodes": [with_replies(post) for post in posts]}}


async def thread(wire: Wire, target: Target) -> Any:
    """Assemble a post with two levels of replies."""
    path = f"/posts/{target.post_id}"
    post, replies = await asyncio.gather(
        wire.get(f"{path}?include=author&fields={fields_at('')}"), wire.get(f"{path}/replies?first={POSTS}&{WITH_REPLIES}")
    )
    return {"post": {**dressed(post), "replies": [with_replies(reply) for reply in replies]}}


def fields_at(*places: str) -> str:
    """Return the fields of the posts at these places, and of their authors."""
    return ",".join(f"{place}{name}" for place in places for name in [*POST, *(f"author.{name}" for name in PERSON)])


def with_replies(post: Any) -> dict[str, Any]:
    """Return a post as the screen shows it, with its replies."""
    return {**dressed(post), "replies": [dressed(reply) for reply in post["replies"]]}


def dressed(post: Any) -> dict[str, Any]:
    """Return a post as the screen shows it, with its author."""
    return {**chosen(post, "postId", POST_FIELDS), "author": chosen(post["author"], "userId", PERSON_FIELDS)}


WITH_REPLIES = f"include=author,replies.author&repliesFirst={REPLIES}&fields={fields_at('', 'replies.')}"
ASSEMBLED: dict[str, Callable[[Wire, Target], Awaitable[Any]]] = {"profile": profile, "home feed": home, "thread": thread}
