"""Copies a made-up world into the tables, in the order that their references need."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from app.infra.database import Database

Rows = Iterable[Sequence[Any]]

ROWS_PER_COPY = 20_000  # references are checked at the end of each COPY: smaller pieces keep that queue short and progress smooth
LOAD_LOCK = 7_166_133  # any number that nothing else locks

USER_COLUMNS = (
    "id",
    "username",
    "name",
    "bio",
    "avatar_url",
    "created_at",
    "followers_count",
    "following_count",
    "posts_count",
)
POST_COLUMNS = (
    "id",
    "author_id",
    "in_reply_to_id",
    "in_reply_to_author_id",
    "title",
    "content",
    "created_at",
    "edited_at",
    "likes_count",
    "replies_count",
)
FOLLOW_COLUMNS = ("follower_id", "followee_id", "created_at")
LIKE_COLUMNS = ("user_id", "post_id", "created_at")


async def users_exist(db: Database) -> bool:
    """Say whether anybody is there. One statement."""
    return bool(await db.fetchval("select exists (select from users)"))


async def lock(db: Database) -> None:
    """Wait until no other load runs, and keep others waiting until this transaction ends. Two statements."""
    await db.execute("set local statement_timeout = 0")  # the limit is meant for requests; a load is minutes at most, and rare
    await db.execute("select pg_advisory_xact_lock($1)", LOAD_LOCK)


async def clear(db: Database) -> None:
    """Remove all people and all that is theirs. One statement.

    The log's head stays: its positions never go back, and a reader that is behind learns that it missed something.
    """
    await db.execute("truncate users, posts, blobs, outbox, event_log cascade")  # and whatever refers to them


async def copy_users(db: Database, rows: Rows) -> None:
    """Add rows of USER_COLUMNS. One statement for each ROWS_PER_COPY rows."""
    await copy(db, "users", USER_COLUMNS, rows)


async def copy_posts(db: Database, rows: Rows) -> None:
    """Add rows of POST_COLUMNS. One statement for each ROWS_PER_COPY rows."""
    await copy(db, "posts", POST_COLUMNS, rows)


async def copy_follows(db: Database, rows: Rows) -> None:
    """Add rows of FOLLOW_COLUMNS. One statement for each ROWS_PER_COPY rows."""
    await copy(db, "follows", FOLLOW_COLUMNS, rows)


async def copy_likes(db: Database, rows: Rows) -> None:
    """Add rows of LIKE_COLUMNS. One statement for each ROWS_PER_COPY rows."""
    await copy(db, "likes", LIKE_COLUMNS, rows)


async def copy(db: Database, table: str, columns: Sequence[str], rows: Rows) -> None:
    """Add rows to a table while they are being made; never more than ROWS_PER_COPY of them are held."""
    coming = iter(rows)
    while piece := list(islice(coming, ROWS_PER_COPY)):
        await db.copy_records(table, columns=columns, records=piece)


async def insert_session(
    db: Database, session_id: int, token_hash: bytes, user_id: int, created_at: datetime, expires_at: datetime
) -> None:
    """Add the demo person's sign-in. One statement."""
    await db.execute(
        "insert into sessions (id, token_hash, user_id, is_demo, created_at, expires_at) values ($1, $2, $3, true, $4, $5)",
        session_id,
        token_hash,
        user_id,
        created_at,
        expires_at,
    )


async def analyze(db: Database) -> None:
    """Tell the planner how large the tables have become. Two statements."""
    async with db.transaction() as tx:
        await tx.execute("set local statement_timeout = 0")
        await tx.execute("analyze users, posts, follows, likes, sessions")
