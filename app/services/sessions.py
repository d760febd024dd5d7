"""Accounts and sessions: signing up, in and out, and knowing who asks."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app import stores
from app.domain import text
from app.domain.errors import Conflict, InvalidInput, NotFound, Overloaded, Throttled, Unauthenticated
from app.domain.events import about_session
from app.domain.models import User, Viewer
from app.infra import event_log
from app.infra.database import Database
from app.services.context import RequestContext
from app.settings import Settings

Result = TypeVar("Result")

SIGN_IN_WINDOW_S = 15 * 60
SIGN_UP_WINDOW_S = 3600
TOKEN_BYTES = 32
LONGEST_QUEUE = 40  # sign-ups and sign-ins; about two seconds of work
LONGEST_TOKEN = 200
WRONG_CREDENTIALS = "The username or the password is wrong."

_hasher = PasswordHash((Argon2Hasher(),))
_threads = ThreadPoolExecutor(2, "passwords")  # argon2id takes 64 MiB and some tens of milliseconds of a core each time
_waiting: set[asyncio.Future[Any]] = set()


@cache
def _nobody() -> str:
    """Return a hash to verify for unknown names, so that they take as long as known ones."""
    return _hasher.hash("the password of nobody")


async def sign_up(ctx: RequestContext, *, username: str, password: str, name: str) -> tuple[str, User]:
    """Make an account and a session; return the session's token and the user.

    Raises:
        InvalidInput: a value is not acceptable.
        Conflict: the username is taken.
        Throttled: too many sign-ups from this address.
    """
    username, password = text.username(username), text.password(password)
    name = text.line(name, field="name", longest=text.NAME_LENGTH)
    await _limit(ctx, f"sign-up:{ctx.address}", at_most=ctx.settings.sign_ups_allowed, window_s=SIGN_UP_WINDOW_S)
    password_hash: str = await _in_turn(_hasher.hash, password)
    try:
        async with ctx.db.transaction() as db:
            user = await stores.users.insert(db, username=username, name=name, password_hash=password_hash)
            token = await _start(ctx, user.id, db=db)
    except Conflict:
        raise Conflict(f"The username {username} is taken: choose another.") from None
    return token, user


async def sign_in(ctx: RequestContext, *, username: str, password: str) -> tuple[str, User]:
    """Make a session; return its token and the user. An unknown name and a wrong password look and last alike.

    Raises:
        Unauthenticated: there is no such account, or the password is not its.
        Throttled: too many attempts for this account.
    """
    key = hashlib.sha256(username.strip().lower().encode("utf-8", "surrogatepass")).hexdigest()
    await _limit(ctx, f"sign-in:{key}", at_most=ctx.settings.sign_in_attempts, window_s=SIGN_IN_WINDOW_S)
    try:
        found = await stores.users.credentials(ctx.db, text.username(username))
        password = text.password(password)
    except InvalidInput:
        found = None
    user_id, password_hash = found or (None, None)
    fits = await _in_turn(_fits, password, password_hash)
    if user_id is None or password_hash is None or not fits:
        raise Unauthenticated(WRONG_CREDENTIALS)
    async with ctx.db.transaction() as db:
        token = await _start(ctx, user_id, db=db)
        [user] = await stores.users.by_ids(db, [user_id])
    if user is None:
        raise Unauthenticated(WRONG_CREDENTIALS)  # the account went away meanwhile
    return token, user


async def knows_password(ctx: RequestContext, password: str) -> bool:
    """Say whether this is the viewer's password; an account without one has none that is right.

    Raises:
        Unauthenticated: the request is anonymous.
        Throttled: too many attempts for this account.
    """
    user_id = ctx.signed_in().user_id
    await _limit(ctx, f"password:{user_id}", at_most=ctx.settings.sign_in_attempts, window_s=SIGN_IN_WINDOW_S)
    password_hash = await stores.accounts.password_hash(ctx.db, user_id)
    return await _in_turn(_fits, password, password_hash) and password_hash is not None


async def sign_out(ctx: RequestContext) -> bool:
    """End the session of this request; its open streams end as well. Return whether it was still there.

    Raises:
        Unauthenticated: the request is anonymous.
    """
    session_id = ctx.signed_in().session_id
    async with ctx.db.transaction() as db:
        ended = await stores.sessions.delete(db, session_id)
        if ended:
            await event_log.append(db, about_session(session_id))
    ctx.resources.sessions.forget(session_id)
    ctx.resources.relay.wake()
    return ended


async def authenticate(ctx: RequestContext, token: str) -> Viewer:
    """Return who the bearer token belongs to. One statement; none where the caller was here a moment ago.

    Raises:
        Unauthenticated: nobody; the token was never given, has expired or was revoked, or is a demo's in production.
    """
    if (known := ctx.resources.sessions.get(token)) is not None:
        return known
    session = await stores.sessions.by_token(ctx.db, token) if 0 < len(token) <= LONGEST_TOKEN else None
    if session is None:
        raise Unauthenticated("The bearer token is not valid: it was never given, has expired or was signed out. Sign in again.")
    if session.is_demo and ctx.settings.is_production:
        raise Unauthenticated("The demo token is refused in production: sign up, or sign in.")
    viewer = Viewer(session.user_id, session.id, session.expires_at, session.is_unlimited)
    ctx.resources.sessions.add(token, viewer)
    return viewer


async def give(db: Database, settings: Settings, *, username: str, is_unlimited: bool) -> str:
    """Make a session for an account without its password, as whoever runs the server may; return its token.

    Raises:
        NotFound: there is no such account.
    """
    [user] = await stores.users.by_usernames(db, [username.strip().lower()])
    if user is None:
        raise NotFound(f"There is no user named {username[:80]!r}.")
    token, expires_at = _new_token(settings)
    await stores.sessions.insert(db, user_id=user.id, token=token, expires_at=expires_at, is_unlimited=is_unlimited)
    return token


async def _in_turn(work: Callable[..., Result], *args: Any) -> Result:
    """Run the work on one of the few threads for passwords.

    Raises:
        Overloaded: too many are waiting already; those who wait longest would only wait in vain.
    """
    if len(_waiting) >= LONGEST_QUEUE:
        raise Overloaded("Too many people are signing in right now: try again in a moment.")
    future = asyncio.get_running_loop().run_in_executor(_threads, work, *args)
    _waiting.add(future)  # until the thread is done, even if the caller leaves before
    future.add_done_callback(_waiting.discard)
    return await asyncio.shield(future)


def _fits(password: str, password_hash: str | None) -> bool:
    try:
        return _hasher.verify(password, password_hash or _nobody())
    except UnicodeEncodeError:
        return False


async def _start(ctx: RequestContext, user_id: int, *, db: Database) -> str:
    token, expires_at = _new_token(ctx.settings)
    await stores.sessions.insert(db, user_id=user_id, token=token, expires_at=expires_at)
    return token


def _new_token(settings: Settings) -> tuple[str, datetime]:
    return secrets.token_urlsafe(TOKEN_BYTES), datetime.now(UTC) + timedelta(seconds=settings.session_ttl_s)


async def _limit(ctx: RequestContext, key: str, *, at_most: int, window_s: int) -> None:
    count, left_s = await ctx.resources.attempts.add(key, window_s=window_s)
    if count > at_most:
        raise Throttled(f"Too many attempts: try again in {left_s} seconds.", retry_after_s=left_s)
