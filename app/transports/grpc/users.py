"""UserService: people."""

from google.protobuf.empty_pb2 import Empty

from app import services
from app.domain.errors import InvalidInput, NotFound, Unauthenticated
from app.domain.ids import parse_id
from app.domain.models import User
from app.services.context import RequestContext
from app.transports.grpc.messages import user_message
from app.transports.grpc.requests import parse_ids
from app.transports.grpc.stubs import users_pb2


async def get_user(ctx: RequestContext, request: users_pb2.GetUserRequest) -> users_pb2.User:
    """Return the user with this id or this name."""
    match request.WhichOneof("key"):
        case "user_id":
            return user_message(await existing_user(ctx, request.user_id))
        case "username":
            return user_message(found(await services.users.find(ctx, username=request.username)))
        case _:
            raise InvalidInput("Give either user_id or username.", field="user_id")


async def get_users(ctx: RequestContext, request: users_pb2.GetUsersRequest) -> users_pb2.UserBatch:
    """Return an entry for each id, in their order."""
    users = await services.users.batch(ctx, ids=parse_ids(request.user_ids, field="user_ids"))
    entries = [
        users_pb2.UserEntry(user_id=id_, user=user_message(user) if user else None)
        for id_, user in zip(request.user_ids, users, strict=True)
    ]
    return users_pb2.UserBatch(entries=entries)


async def get_viewer(ctx: RequestContext, _request: Empty) -> users_pb2.User:
    """Return the signed-in user."""
    viewer = await services.users.viewer(ctx)
    if viewer is None:
        raise Unauthenticated
    return user_message(viewer)


async def existing_user(ctx: RequestContext, user_id: str) -> User:
    """Return the user whom a request names. One statement.

    Raises:
        InvalidInput: that is no id.
        NotFound: there is no such user.
    """
    return found(await services.users.find(ctx, id_=parse_id(user_id, field="user_id")))


def found(user: User | None) -> User:
    """Return the user.

    Raises:
        NotFound: it is None.
    """
    if user is None:
        raise NotFound("There is no such user.")
    return user
