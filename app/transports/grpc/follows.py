"""FollowService: who follows whom."""

from app import services
from app.domain.ids import parse_id
from app.services import relations
from app.services.context import RequestContext
from app.transports.grpc.messages import user_list, user_message
from app.transports.grpc.stubs import follows_pb2, users_pb2
from app.transports.grpc.users import existing_user


async def get_followers(ctx: RequestContext, request: follows_pb2.GetFollowsRequest) -> users_pb2.UserList:
    """Return a page of those who follow somebody, newest follow first."""
    return await user_list(ctx, relations.USER_FOLLOWERS, await existing_user(ctx, request.user_id), request.page)


async def get_following(ctx: RequestContext, request: follows_pb2.GetFollowsRequest) -> users_pb2.UserList:
    """Return a page of those whom somebody follows, newest follow first."""
    return await user_list(ctx, relations.USER_FOLLOWING, await existing_user(ctx, request.user_id), request.page)


async def follow_user(ctx: RequestContext, request: follows_pb2.FollowRequest) -> users_pb2.User:
    """Follow somebody."""
    return user_message(await services.follows.add(ctx, parse_id(request.user_id, field="user_id")))


async def unfollow_user(ctx: RequestContext, request: follows_pb2.FollowRequest) -> users_pb2.User:
    """Stop following somebody."""
    return user_message(await services.follows.remove(ctx, parse_id(request.user_id, field="user_id")))
