"""People as resources: looking them up, whom they know, and following them."""

from typing import Annotated, Any

from pydantic import Field

from app import services
from app.domain.errors import InvalidInput, NotFound
from app.domain.models import User
from app.services import relations
from app.settings import Settings
from app.transports.rest import schemas
from app.transports.rest.declaring import Call, Reply, Route
from app.transports.rest.pages import list_route, related
from app.transports.rest.queries import PostPage, UserPage
from app.transports.rest.reading import Id, Separated
from app.transports.rest.shapes import UserShape
from app.transports.rest.showing import posts_shown, users_shown

NO_SUCH_USER = "There is no such user."


class UserBatch(UserShape):
    """Which people."""

    ids: Annotated[tuple[Id, ...] | None, Separated, Field(description="At most 100 ids, such as 1,2,3.")] = None
    usernames: Annotated[tuple[str, ...] | None, Separated, Field(description="At most 100 names, in any case.")] = None

    def most_objects(self, limits: Settings) -> int:
        """Return how many resources the batch brings."""
        return len(self.ids or self.usernames or ()) * super().most_objects(limits)


async def get(call: Call[UserShape, None]) -> Reply:
    """Return a person."""
    return await shown(call, await existing(call))


async def batch(call: Call[UserBatch, None]) -> Reply:
    """Return people by their ids or names, in that order; null where there is none."""
    ids, usernames = call.query.ids, call.query.usernames
    if (ids is None) == (usernames is None):
        raise InvalidInput("Give either ids or usernames, and not both.", field="ids")
    found = await services.users.batch(call.ctx, ids=ids or (), usernames=usernames or ())
    return Reply(await users_shown(call.ctx, call.query)(found))


async def viewer(call: Call[UserShape, None]) -> Reply:
    """Return the signed-in person."""
    return await shown(call, await services.users.viewer(call.ctx))


async def posts(call: Call[PostPage, None]) -> Reply:
    """Return somebody's posts, newest first, without replies."""
    user = await existing(call)
    return await related(call, relations.USER_POSTS, user, posts_shown(call.ctx, call.query))


async def followers(call: Call[UserPage, None]) -> Reply:
    """Return who follows somebody, newest follow first."""
    return await people(call, relations.USER_FOLLOWERS)


async def following(call: Call[UserPage, None]) -> Reply:
    """Return whom somebody follows, newest follow first."""
    return await people(call, relations.USER_FOLLOWING)


async def people(call: Call[UserPage, None], relation: relations.Many[User, User]) -> Reply:
    """Return a page of the people around somebody."""
    return await related(call, relation, await existing(call), users_shown(call.ctx, call.query))


async def follow(call: Call[UserShape, None]) -> Reply:
    """Follow somebody; again changes nothing."""
    return await shown(call, await services.follows.add(call.ctx, call.id))


async def unfollow(call: Call[UserShape, None]) -> Reply:
    """Stop following somebody; again changes nothing."""
    return await shown(call, await services.follows.remove(call.ctx, call.id))


async def existing(call: Call[Any, Any]) -> User:
    """Return the person whom the path names.

    Raises:
        NotFound: there is none.
    """
    user = await services.users.find(call.ctx, id_=call.id)
    if user is None:
        raise NotFound(NO_SUCH_USER)
    return user


async def shown(call: Call[UserShape, None], user: User | None) -> Reply:
    """Return a person as the query string asks.

    Raises:
        NotFound: there is nobody any more.
    """
    if user is None:
        raise NotFound(NO_SUCH_USER)
    [row] = await users_shown(call.ctx, call.query)([user])
    return Reply(row)


NOBODY = ("NOT_FOUND",)

ROUTES: tuple[Route[Any, Any], ...] = (
    Route("GET", "/users", "getUsers", batch, UserBatch, list[schemas.User | None]),
    Route("GET", "/users/{id}", "getUser", get, UserShape, schemas.User, problems=NOBODY),
    list_route("/users/{id}/posts", "listPostsOfUser", posts, PostPage, schemas.Post, problems=NOBODY),
    list_route("/users/{id}/followers", "listFollowers", followers, UserPage, schemas.User, problems=NOBODY),
    list_route("/users/{id}/following", "listFollowing", following, UserPage, schemas.User, problems=NOBODY),
    Route("PUT", "/users/{id}/follow", "followUser", follow, UserShape, schemas.User, needs_session=True, problems=NOBODY),
    Route("DELETE", "/users/{id}/follow", "unfollowUser", unfollow, UserShape, schemas.User, needs_session=True, problems=NOBODY),
    Route("GET", "/viewer", "getViewer", viewer, UserShape, schemas.User, needs_session=True, problems=NOBODY),
)
