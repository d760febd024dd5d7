"""People: looking them up, and listing whom they know."""

import asyncio
from collections.abc import Sequence

from app.domain import text
from app.domain.errors import InvalidInput
from app.domain.models import User
from app.services import relations
from app.services.context import RequestContext
from app.services.relations import Root
from app.stores.nodes import Node


def key(*, id_: int | None, username: str | None) -> tuple[int | str, Root[User | None]]:
    """Return the key by which a user is looked up, and how.

    Raises:
        InvalidInput: not exactly one of the two is given.
    """
    if (id_ is None) == (username is None):
        raise InvalidInput("Give either id or username, and not both.", field="id")
    if id_ is not None:
        return id_, relations.USER
    try:
        return text.username(username or ""), relations.USER_BY_NAME
    except InvalidInput:
        return "", relations.USER_BY_NAME  # nobody can have such a name, nor this one


async def find(ctx: RequestContext, *, id_: int | None = None, username: str | None = None) -> User | None:
    """Return the user with this id or this name.

    Raises:
        InvalidInput: not exactly one of the two is given.
    """
    value, root = key(id_=id_, username=username)
    return await ctx.loaders.one(root, value)


async def viewer(ctx: RequestContext) -> User | None:
    """Return the signed-in user, None when anonymous."""
    return await ctx.loaders.one(relations.USER, ctx.viewer_id) if ctx.viewer_id is not None else None


async def batch(ctx: RequestContext, *, ids: Sequence[int] = (), usernames: Sequence[str] = ()) -> list[User | None]:
    """Return the users with these ids, then those with these names; None where there is none. One statement for each kind.

    Raises:
        InvalidInput: there are more than one call may ask for.
    """
    at_most(ctx, [*ids, *usernames])
    keys = [key(id_=id_, username=None) for id_ in ids] + [key(id_=None, username=name) for name in usernames]
    return await asyncio.gather(*(ctx.loaders.one(root, value) for value, root in keys))


async def nodes(ctx: RequestContext, ids: Sequence[int]) -> list[Node | None]:
    """Return the users, posts, jobs and images with these ids; None where there is none that the viewer may see. One statement.

    Raises:
        InvalidInput: there are more ids than one call may ask for.
    """
    at_most(ctx, ids)
    return await ctx.loaders.ones(relations.NODE, ids)


def at_most(ctx: RequestContext, ids: Sequence[int | str]) -> None:
    """Refuse a batch that is too large.

    Raises:
        InvalidInput: there are more ids than one call may ask for.
    """
    if len(ids) > ctx.settings.max_node_ids:
        raise InvalidInput(f"At most {ctx.settings.max_node_ids} ids in one call; these are {len(ids)}.", field="ids")
