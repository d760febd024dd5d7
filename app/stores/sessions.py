"""The sessions table: bearer tokens, kept as hashes."""

import hashlib
from datetime import datetime

from app.domain.models import Session
from app.infra.database import Database


def hash_of(token: str) -> bytes:
    """Return what is kept of a token. A token has 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode()).digest()


async def insert(db: Database, *, user_id: int, token: str, expires_at: datetime, is_unlimited: bool = False) -> int:
    """Make a session; return its id. One statement."""
    sql = "insert into sessions (user_id, token_hash, expires_at, unlimited) values ($1, $2, $3, $4) returning id"
    return int(await db.fetchval(sql, user_id, hash_of(token), expires_at, is_unlimited))


async def by_token(db: Database, token: str) -> Session | None:
    """Return the session of a token that has not expired. One statement."""
    sql = "select id, user_id, is_demo, expires_at, unlimited from sessions where token_hash = $1 and expires_at > now()"
    row = await db.fetchrow(sql, hash_of(token))
    return Session(*row) if row else None


async def exists(db: Database, session_id: int) -> bool:
    """Say whether the session is still there and has not expired. One statement."""
    return bool(await db.fetchval("select exists (select from sessions where id = $1 and expires_at > now())", session_id))


async def delete(db: Database, session_id: int) -> bool:
    """End a session; return whether there was one. One statement."""
    return bool(await db.fetchval("delete from sessions where id = $1 returning true", session_id))


async def delete_expired(db: Database) -> None:
    """Remove sessions whose time is over. One statement."""
    await db.execute("delete from sessions where expires_at <= now()")
