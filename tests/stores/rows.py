"""Rows for the stores' tests, made by plain SQL so that ids and times can be chosen."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from app import stores
from app.domain.models import Post, User
from app.infra.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(milliseconds: int) -> datetime:
    """Return a time."""
    return START + timedelta(milliseconds=milliseconds)


async def add_users(db: Database, count: int) -> list[int]:
    """Make users with the ids 1 to `count`, so that their order is known."""
    rows = [(number, f"user_{number}", f"User {number}", at(number)) for number in range(1, count + 1)]
    await db.copy_records("users", columns=("id", "username", "name", "created_at"), records=rows)
    return [row[0] for row in rows]


async def add_post(
    db: Database, author_id: int, *, id_: int | None = None, parent: Post | None = None, hidden: bool = False, content: str = "x"
) -> Post:
    """Make a post or a reply, with its counters."""
    id_ = id_ if id_ is not None else await stores.posts.new_id(db)
    answered = (parent.id, parent.author_id) if parent else None
    await stores.posts.insert(db, id_=id_, author_id=author_id, content=content, title=None, parent=answered)
    if hidden:
        await stores.posts.set_hidden(db, id_, hidden=True)
    return await post_of(db, id_)


async def add_media(db: Database, post: Post, position: int) -> int:
    """Make an image of a post; return its id."""
    sql = f"""
        with b as (insert into blobs (owner_id, media_type) values ({post.author_id}, 'image/png') returning id),
        c as (insert into blobs (owner_id, media_type) values ({post.author_id}, 'image/webp') returning id)
        insert into media (owner_id, post_id, position, media_type, width, height, size, file_id, thumbnail_id)
        select {post.author_id}, {post.id}, {position}, 'image/png', 1, 1, 1, b.id, c.id from b, c returning id
    """
    return int(await db.fetchval(sql))


async def post_of(db: Database, id_: int) -> Post:
    """Return a post as its author sees it."""
    [row] = await db.fetch(f"select {stores.posts.COLUMNS} from posts p where p.id = $1", id_)
    return Post(*row)


async def user_of(db: Database, id_: int) -> User:
    """Return a user."""
    [user] = await stores.users.by_ids(db, [id_])
    assert user is not None
    return user


async def follow_at(db: Database, pairs: Sequence[tuple[int, int]], time: datetime) -> None:
    """Let pairs follow at the same time."""
    rows = [(follower, followee, time) for follower, followee in pairs]
    await db.copy_records("follows", columns=("follower_id", "followee_id", "created_at"), records=rows)


async def like_at(db: Database, pairs: Sequence[tuple[int, int]], time: datetime) -> None:
    """Let users like posts at the same time."""
    rows = [(user_id, post_id, time) for user_id, post_id in pairs]
    await db.copy_records("likes", columns=("user_id", "post_id", "created_at"), records=rows)


@contextmanager
def costing(db: Database, statements: int) -> Iterator[None]:
    """Require that what happens inside takes exactly so many statements."""
    before = db.counts.statements
    yield
    assert db.counts.statements - before == statements
