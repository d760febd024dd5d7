"""What an export of somebody's data reads: every part of it in batches, by key."""

from collections.abc import Mapping
from typing import Final

from app.infra.database import Database, Record

MEDIA: Final = "media"  # the part whose rows have files beside them

# Each part's statement: $1 the user, $2 the key of the last row that was read, $3 how many rows. The first column is the key.
PARTS: Final[Mapping[str, str]] = {
    "profile": """
        select u.id as key, u.id as user_id, u.username, u.name, u.bio, u.avatar_url, u.created_at, u.followers_count,
            u.following_count, u.posts_count
        from users u where u.id = $1 and u.id > $2 order by u.id limit $3
    """,
    "posts": """
        select p.id as key, p.id as post_id, p.title, p.content, p.created_at, p.edited_at, p.in_reply_to_id,
            p.in_reply_to_author_id, p.likes_count, p.replies_count
        from posts p where p.author_id = $1 and p.id > $2 order by p.id limit $3
    """,
    MEDIA: """
        select m.id as key, m.id as media_id, m.post_id, m.position, m.alt, m.media_type, m.width, m.height, m.size, m.url,
            m.created_at, 'media/' || m.id || '.' || split_part(m.media_type, '/', 2) as file
        from media m where m.owner_id = $1 and m.id > $2 order by m.id limit $3
    """,
    "likes": """
        select l.post_id as key, l.post_id, l.created_at from likes l
        where l.user_id = $1 and l.post_id > $2 order by l.post_id limit $3
    """,
    "following": """
        select f.followee_id as key, f.followee_id as user_id, u.username, f.created_at
        from follows f join users u on u.id = f.followee_id
        where f.follower_id = $1 and f.followee_id > $2 order by f.followee_id limit $3
    """,
    "followers": """
        select f.follower_id as key, f.follower_id as user_id, u.username, f.created_at
        from follows f join users u on u.id = f.follower_id
        where f.followee_id = $1 and f.follower_id > $2 order by f.follower_id limit $3
    """,
    "sessions": """
        select s.id as key, s.id as session_id, s.created_at, s.expires_at from sessions s
        where s.user_id = $1 and s.id > $2 order by s.id limit $3
    """,
}


async def rows(db: Database, part: str, user_id: int, *, after: int, limit: int) -> list[Record]:
    """Return the next rows of a part, in the order of their first column. One statement."""
    return await db.fetch(PARTS[part], user_id, after, limit)


async def steps(db: Database, user_id: int) -> int:
    """Return how many steps an export takes, or about: two for each row, and one for each image's file. One statement."""
    return int(
        await db.fetchval(
            """
            select 2 * (1 + coalesce((select posts_count + following_count + followers_count from users where id = $1), 0)
                    + (select count(*) from likes where user_id = $1) + (select count(*) from sessions where user_id = $1))
                + 3 * (select count(*) from media where owner_id = $1)
            """,
            user_id,
        )
    )
