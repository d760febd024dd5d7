"""The users table."""

from collections.abc import Sequence
from typing import Any

from app.domain.models import User
from app.infra.database import Database
from app.stores.columns import Columns, Table, in_order, selection

TABLE = Table(User, "u", {})
COLUMNS = selection(TABLE, None).columns


async def by_ids(db: Database, ids: Sequence[int], columns: Columns = None) -> list[Any]:
    """Return the users with these ids, None where there is none. One statement."""
    part = selection(TABLE, columns)
    rows = await db.fetch(f"select {part.columns}, u.id as key from users u where u.id = any($1)", ids)
    return in_order(ids, rows, part)


async def by_usernames(db: Database, usernames: Sequence[str], columns: Columns = None) -> list[Any]:
    """Return the users with these names (in lower case), None where there is none. One statement."""
    part = selection(TABLE, columns)
    rows = await db.fetch(f"select {part.columns}, u.username as key from users u where u.username = any($1)", usernames)
    return in_order(usernames, rows, part)


async def insert(db: Database, *, username: str, name: str, password_hash: str) -> User:
    """Make a user. One statement.

    Raises:
        Conflict: the username is taken.
    """
    row = await db.fetchrow(
        f"insert into users as u (username, name, password_hash) values ($1, $2, $3) returning {COLUMNS}",
        username,
        name,
        password_hash,
    )
    return User(*row)  # type: ignore[misc]  # an insert that returns gives its row


async def credentials(db: Database, username: str) -> tuple[int, str | None] | None:
    """Return id and password hash of the user with this name (in lower case). One statement."""
    row = await db.fetchrow("select id, password_hash from users where username = $1", username)
    return (row[0], row[1]) if row else None


async def lock(db: Database, user_id: int) -> bool:
    """Keep others who lock the user from going on until the transaction ends; return whether there is one. One statement."""
    return bool(await db.fetchval("select true from users where id = $1 for no key update", user_id))


async def add_to_posts_count(db: Database, user_id: int, change: int) -> None:
    """Keep the counter equal to the user's posts. One statement."""
    await db.execute("update users set posts_count = posts_count + $2 where id = $1", user_id, change)


async def add_to_follow_counts(db: Database, *, follower_id: int, followee_id: int, change: int) -> None:
    """Keep the counters of both sides equal to the follows. Two statements.

    Rows are updated in the order of their ids, so that two people who follow each other at once do not wait in a ring. Nor are
    they locked first: a lock that is then raised to an update can make a ring with whoever waits for the row in between.
    """
    counters = {follower_id: "following_count", followee_id: "followers_count"}
    for user_id, counter in sorted(counters.items()):
        await db.execute(f"update users set {counter} = {counter} + $2 where id = $1", user_id, change)
