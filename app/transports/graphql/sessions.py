"""Signing up, in and out."""

from typing import Annotated

import strawberry

from app import services
from app.domain.models import User as UserModel
from app.transports.graphql.costs import mutation
from app.transports.graphql.fields import Info
from app.transports.graphql.users import User


@strawberry.input(description="A new account.")
class SignUpInput:
    """A new account."""

    username: str = strawberry.field(description="3 to 30 of a-z, 0-9 and _; kept in lower case.")
    password: str = strawberry.field(description="8 to 200 characters.")
    name: str = strawberry.field(description="The name to show, at most 80 characters.")


@strawberry.input(description="What proves who you are.")
class SignInInput:
    """What proves who you are."""

    username: str = strawberry.field(description="Your username, in any case.")
    password: str = strawberry.field(description="Your password.")


@strawberry.type(description="A session.")
class SignInPayload:
    """A session."""

    token: str = strawberry.field(description="Send it as `Authorization: Bearer <token>`. It is shown only now.")
    user: User = strawberry.field(description="Who is signed in.")


def payload(token: str, user: UserModel) -> SignInPayload:
    """Return the payload that shows a session."""
    return SignInPayload(token=token, user=user)  # type: ignore[arg-type]  # the model is shown as User


@strawberry.type
class SessionMutations:
    """Signing up, in and out."""

    @mutation(graphql_type=SignInPayload, description="Make an account, and a session for it.")
    async def sign_up(
        self, info: Info, input: Annotated[SignUpInput, strawberry.argument(description="The account.")]
    ) -> SignInPayload:
        token, user = await services.sessions.sign_up(
            info.context, username=input.username, password=input.password, name=input.name
        )
        return payload(token, user)

    @mutation(graphql_type=SignInPayload, description="Make a session for an account.")
    async def sign_in(
        self, info: Info, input: Annotated[SignInInput, strawberry.argument(description="Name and password.")]
    ) -> SignInPayload:
        return payload(*await services.sessions.sign_in(info.context, username=input.username, password=input.password))

    @mutation(description="End this request's session; its open streams end too. False where it had ended already.")
    async def sign_out(self, info: Info) -> bool:
        return await services.sessions.sign_out(info.context)
