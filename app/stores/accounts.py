"""What the end of an account takes away, in batches, with the counters of others kept right.

Rows that others may change at the same time are locked in the order of their ids, so that nobody waits in a ring.
"""

from collections import Counter
from collections.abc import Mapping

from app.domain.models import Post
from app.infra.database import Database
from app.stores import posts


async def size(db: Database, user_id: int) -> int:
    """Return how many posts, likes and follows somebody has, or about; 0 for nobody. One statement."""
    sql = """
        select u.posts_count + u.followers_count + u.following_count + (select count(*) from likes where user_id = u.id)
        from users u where u.id = $1
    """
    return int(await db.fetchval(sql, user_id) or 0)


async def delete_posts(db: Database, user_id: int, *, limit: int) -> tuple[list[Post], list[Post]]:
    """Remove somebody's oldest posts, so many at most, with the likes of them. Two statements.

    Return what they were, and the posts that have fewer replies now.
    """
    rows = await db.fetch(
        f"""
        with doomed as (select id from posts where author_id = $1 order by id limit $2 for update)
        delete from posts p using doomed where p.id = doomed.id returning {posts.COLUMNS}
        """,
        user_id,
        limit,
    )
    removed = sorted((Post(*row) for row in rows), key=lambda post: post.id)
    answered = Counter(post.in_reply_to_id for post in removed if post.in_reply_to_id)
    return removed, await add_to_posts(db, "replies_count", answered, sign=-1)


async def delete_likes(db: Database, user_id: int, *, limit: int) -> list[Post]:
    """Take back somebody's likes, so many at most; return the posts as they are then. Two statements."""
    rows = await db.fetch(
        """
        with liked as (select post_id from likes where user_id = $1 order by post_id limit $2),
        locked as (select p.id from posts p join liked on liked.post_id = p.id order by p.id for no key update of p)
        delete from likes l using locked where l.user_id = $1 and l.post_id = locked.id returning l.post_id
        """,
        user_id,
        limit,
    )
    return await add_to_posts(db, "likes_count", Counter(row[0] for row in rows), sign=-1)


async def delete_follows(db: Database, user_id: int, *, limit: int) -> tuple[int, list[int]]:
    """End follows of somebody and by somebody, so many at most; return how many, and the other people. Two statements."""
    rows = await db.fetch(
        """
        with doomed as (
            select follower_id, followee_id from follows where follower_id = $1
            union all select follower_id, followee_id from follows where followee_id = $1 limit $2
        )
        delete from follows f using doomed d where f.follower_id = d.follower_id and f.followee_id = d.followee_id
        returning f.follower_id, f.followee_id
        """,
        user_id,
        limit,
    )
    following, followers = Counter(row[0] for row in rows), Counter(row[1] for row in rows)
    everybody = sorted(following.keys() | followers.keys())
    await db.execute(
        """
        with change as (select * from unnest($1::bigint[], $2::integer[], $3::integer[]) c (id, following, followers)),
        locked as (select u.id from users u join change on change.id = u.id order by u.id for no key update of u)
        update users u set following_count = following_count - c.following, followers_count = followers_count - c.followers
        from change c join locked on locked.id = c.id where u.id = c.id
        """,
        everybody,
        [following[id_] for id_ in everybody],
        [followers[id_] for id_ in everybody],
    )
    return len(rows), [id_ for id_ in everybody if id_ != user_id]


async def add_to_posts(db: Database, counter: str, numbers: Mapping[int, int], *, sign: int) -> list[Post]:
    """Keep a counter of many posts equal to what it counts; return those that still are. One statement."""
    ids = sorted(numbers)
    rows = await db.fetch(
        f"""
        with change as (select * from unnest($1::bigint[], $2::integer[]) c (id, number)),
        locked as (select p.id from posts p join change on change.id = p.id order by p.id for no key update of p)
        update posts p set {counter} = p.{counter} + c.number
        from change c join locked on locked.id = c.id where p.id = c.id returning {posts.COLUMNS}
        """,
        ids,
        [sign * numbers[id_] for id_ in ids],
    )
    return [Post(*row) for row in rows]


async def lock(db: Database, user_id: int) -> bool:
    """Keep everybody from adding anything to a user until the transaction ends; return whether there is one. One statement."""
    return bool(await db.fetchval("select true from users where id = $1 for update", user_id))


async def close(db: Database, user_id: int) -> None:
    """Take a user's password away: nobody signs in any more. One statement."""
    await db.execute("update users set password_hash = null where id = $1", user_id)


async def password_hash(db: Database, user_id: int) -> str | None:
    """Return the hash of a user's password. One statement."""
    found: str | None = await db.fetchval("select password_hash from users where id = $1", user_id)
    return found


async def delete_sessions(db: Database, user_id: int, *, but: int | None = None) -> list[int]:
    """End somebody's sessions, all but one or all; return their ids. One statement."""
    sql = "delete from sessions where user_id = $1 and id is distinct from $2 returning id"
    return [row[0] for row in await db.fetch(sql, user_id, but)]


async def delete(db: Database, user_id: int) -> None:
    """Remove a user, and whatever still belongs to them. One statement."""
    await db.execute("delete from users where id = $1", user_id)
