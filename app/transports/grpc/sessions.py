"""SessionService: signing up, in and out."""

from google.protobuf.empty_pb2 import Empty

from app import services
from app.services.context import RequestContext
from app.transports.grpc.messages import user_message
from app.transports.grpc.stubs import sessions_pb2


async def sign_up(ctx: RequestContext, request: sessions_pb2.SignUpRequest) -> sessions_pb2.Session:
    """Make an account, and a session for it."""
    token, user = await services.sessions.sign_up(ctx, username=request.username, password=request.password, name=request.name)
    return sessions_pb2.Session(token=token, user=user_message(user))


async def sign_in(ctx: RequestContext, request: sessions_pb2.SignInRequest) -> sessions_pb2.Session:
    """Make a session for an account."""
    token, user = await services.sessions.sign_in(ctx, username=request.username, password=request.password)
    return sessions_pb2.Session(token=token, user=user_message(user))


async def sign_out(ctx: RequestContext, _request: Empty) -> sessions_pb2.SignOutResponse:
    """End this call's session."""
    return sessions_pb2.SignOutResponse(ended=await services.sessions.sign_out(ctx))
