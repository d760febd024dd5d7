"""Signing up, in and out."""

from typing import Annotated, Any

from aiohttp import hdrs
from pydantic import Field
from typing_extensions import TypedDict

from app import services
from app.domain import text
from app.domain.models import User
from app.transports.resources import UserResource, user_resource
from app.transports.rest.declaring import PREFIX, Body, Call, Query, Reply, Route
from app.transports.rest.reading import sized


class NewAccount(Body):
    """A new account."""

    username: Annotated[str, sized(3, 30), Field(description="3 to 30 of a-z, 0-9 and _; kept in lower case.")]
    password: Annotated[str, sized(*text.PASSWORD_LENGTHS)]
    name: Annotated[str, sized(1, text.NAME_LENGTH), Field(description="The name to show.")]


class Credentials(Body):
    """What proves who you are."""

    username: Annotated[str, Field(description="Your username, in any case.")]
    password: Annotated[str, Field(description="Your password.")]


class SessionResource(TypedDict):
    """A session."""

    token: Annotated[str, Field(description="Send it as `Authorization: Bearer <token>`. It is shown only now.")]
    user: UserResource


async def sign_up(call: Call[Query, NewAccount]) -> Reply:
    """Make an account, and a session for it."""
    body = call.body
    token, user = await services.sessions.sign_up(call.ctx, username=body.username, password=body.password, name=body.name)
    return Reply(session_resource(token, user), {hdrs.LOCATION: f"{PREFIX}/users/{user.id}"})


async def sign_in(call: Call[Query, Credentials]) -> Reply:
    """Make a session for an account."""
    body = call.body
    token, user = await services.sessions.sign_in(call.ctx, username=body.username, password=body.password)
    return Reply(session_resource(token, user), {hdrs.LOCATION: f"{PREFIX}/sessions/current"})


async def sign_out(call: Call[Query, None]) -> Reply:
    """End this request's session; its open streams end too."""
    await services.sessions.sign_out(call.ctx)
    return Reply()


def session_resource(token: str, user: User) -> SessionResource:
    """Return a new session as JSON."""
    return {"token": token, "user": user_resource(user)}


ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        "POST",
        "/users",
        "signUp",
        sign_up,
        Query,
        SessionResource,
        NewAccount,
        status=201,
        problems=("CONFLICT",),
        headers=("Location",),
    ),
    Route("POST", "/sessions", "signIn", sign_in, Query, SessionResource, Credentials, status=201, headers=("Location",)),
    Route("DELETE", "/sessions/current", "signOut", sign_out, Query, None, status=204, needs_session=True),
)
