"""People: the type, looking them up, and following them."""

from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from app import services
from app.domain.ids import parse_id
from app.domain.models import User as UserModel
from app.services import relations
from app.transports.graphql.bindings import BINDING, lookup
from app.transports.graphql.cache_policy import PERSONAL, THING
from app.transports.graphql.connections import PostConnection, PostType, UserConnection
from app.transports.graphql.costs import mutation
from app.transports.graphql.fields import Info, connected, given, listed, related
from app.transports.graphql.nodes import Node

UserId = Annotated[strawberry.ID, strawberry.argument(description="The user's id.")]


@strawberry.type(description="A person.", directives=[THING])
class User(Node):
    """A person."""

    username: str = strawberry.field(description="The name in addresses and mentions: 3 to 30 of a-z, 0-9 and _.")
    name: str = strawberry.field(description="The name as people write it.")
    bio: str | None = strawberry.field(description="What they say of themselves.")
    avatar_url: str | None = strawberry.field(description="Where their picture is.")
    created_at: datetime = strawberry.field(description="When they signed up.")
    followers_count: int = strawberry.field(description="How many people follow them.")
    following_count: int = strawberry.field(description="How many people they follow.")
    posts_count: int = strawberry.field(description="How many posts they have, replies included.")
    posts = listed(relations.USER_POSTS, list[PostType], "Their posts, newest first, without replies.", default=20)
    posts_connection = connected(
        relations.USER_POSTS, PostConnection, "Their posts a page at a time, newest first, without replies."
    )
    followers = connected(relations.USER_FOLLOWERS, UserConnection, "Who follows them, newest follow first.")
    following = connected(relations.USER_FOLLOWING, UserConnection, "Whom they follow, newest follow first.")
    viewer_is_following = related(relations.VIEWER_IS_FOLLOWING, bool, "Whether the viewer follows them; false when anonymous.")
    viewer_is_followed_by = related(
        relations.VIEWER_IS_FOLLOWED_BY, bool, "Whether they follow the viewer; false when anonymous."
    )

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Say whether a value is shown as this type."""
        return isinstance(value, UserModel)


@strawberry.type(description="What following changed.")
class UserPayload:
    """What following changed."""

    user: User = strawberry.field(description="The person who is followed, or not any more.")


def user_key(arguments: dict[str, Any]) -> tuple[Any, relations.Root[Any]]:
    """Return the key in the arguments of `user`, and how a user is found by it."""
    return services.users.key(id_=given(arguments.get("id"), parse_id), username=given(arguments.get("username"), str))


@strawberry.type
class UserQueries:
    """Root fields that find people."""

    @strawberry.field(graphql_type=User | None, description="The signed-in user; null when anonymous.", directives=[PERSONAL])
    async def viewer(self, info: Info) -> UserModel | None:
        return await services.users.viewer(info.context)

    @strawberry.field(
        graphql_type=User | None,
        description="The user with this id or this name: give one of the two.",
        metadata={BINDING: lookup("user", user_key)},
    )
    async def user(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="The user's id, such as 123.")] = UNSET,
        username: Annotated[str | None, strawberry.argument(description="The user's name, in any case.")] = UNSET,
    ) -> UserModel | None:
        return await services.users.find(info.context, id_=given(id, parse_id), username=given(username, str))


@strawberry.type
class UserMutations:
    """Following and unfollowing."""

    @mutation(graphql_type=UserPayload, description="Follow somebody; again changes nothing.")
    async def follow_user(self, info: Info, id: UserId) -> Any:
        return UserPayload(user=await services.follows.add(info.context, parse_id(id)))  # type: ignore[arg-type]  # shown as User

    @mutation(graphql_type=UserPayload, description="Stop following somebody; again changes nothing.")
    async def unfollow_user(self, info: Info, id: UserId) -> Any:
        return UserPayload(user=await services.follows.remove(info.context, parse_id(id)))  # type: ignore[arg-type]  # shown as User
