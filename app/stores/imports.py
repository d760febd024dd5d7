"""The imported_posts table: which posts came with an archive, by their names at the source."""

from collections.abc import Sequence

from app.domain.mastodon import ArchivedPost
from app.infra.database import Database


async def add(db: Database, user_id: int, job_id: int, posts: Sequence[ArchivedPost]) -> int:
    """Write posts of an archive that answer nothing, or what is here already; return how many are new.

    One statement, and a second one where something answers: it counts the replies. The author's own counter is the caller's.
    """
    rows = await db.fetch(
        """
        with archived as (
            select * from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
                a (source_id, content, title, written_at, parent)
        ), taken as (
            insert into imported_posts (user_id, source_id, post_id, job_id)
            select $1, source_id, imported_id(written_at), $7 from archived on conflict do nothing returning source_id, post_id
        ), parents as (
            select source_id, post_id from imported_posts
            where user_id = $1 and source_id in (select parent from archived where parent is not null)
        )
        insert into posts (id, author_id, content, title, created_at, in_reply_to_id, in_reply_to_author_id)
        select t.post_id, $1, a.content, a.title, a.written_at, p.post_id, case when p.post_id is not null then $1 end
        from taken t join archived a using (source_id) left join parents p on p.source_id = a.parent
        returning in_reply_to_id
        """,
        user_id,
        [post.source_id for post in posts],
        [post.content for post in posts],
        [post.title for post in posts],
        [post.written_at for post in posts],
        [post.in_reply_to for post in posts],
        job_id,
    )
    if answered := [row[0] for row in rows if row[0] is not None]:
        await db.execute(
            """
            update posts p set replies_count = p.replies_count + c.number
            from (select id, count(*) as number from unnest($1::bigint[]) a (id) group by id) c where p.id = c.id
            """,
            answered,
        )
    return len(rows)


async def known(db: Database, user_id: int, source_ids: Sequence[str]) -> set[str]:
    """Return which of these were imported before. One statement."""
    sql = "select source_id from imported_posts where user_id = $1 and source_id = any($2)"
    return {row[0] for row in await db.fetch(sql, user_id, source_ids)}


async def written(db: Database, user_id: int, job_id: int) -> int:
    """Return how many posts a job has written. One statement."""
    return int(await db.fetchval("select count(*) from imported_posts where user_id = $1 and job_id = $2", user_id, job_id))
