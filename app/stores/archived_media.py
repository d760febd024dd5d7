"""The archived_media table: the images that an import looks for, and what became of them."""

from collections.abc import Sequence

from app.domain.mastodon import ArchivedPost, SkippedMedia
from app.infra.database import Database

IMPORTED = "IMPORTED"


async def add(db: Database, user_id: int, job_id: int, posts: Sequence[ArchivedPost]) -> None:
    """Look for the images of posts that were imported, now or before, and lack them. One statement.

    A file is one image: the first one that names it.
    """
    places = [(post, place, media) for post in posts for place, media in enumerate(post.media, 1)]
    await db.execute(
        """
        insert into archived_media (job_id, name, post_id, position, alt, outcome)
        select $2, a.name, p.id, a.position, a.alt, case when m.id is not null then $7 end
        from unnest($3::text[], $4::text[], $5::smallint[], $6::text[]) with ordinality a (source_id, name, position, alt, number)
        join imported_posts i on i.user_id = $1 and i.source_id = a.source_id
        join posts p on p.id = i.post_id
        left join media m on m.post_id = p.id and m.position = a.position
        order by a.number
        on conflict do nothing
        """,
        user_id,
        job_id,
        [post.source_id for post, _, _ in places],
        [media.name for _, _, media in places],
        [place for _, place, _ in places],
        [media.alt for _, _, media in places],
        SkippedMedia.DUPLICATE,
    )


async def wanted(db: Database, job_id: int) -> set[str]:
    """Return the names of the files that a job still looks for. One statement."""
    sql = "select name from archived_media where job_id = $1 and outcome is null"
    return {row[0] for row in await db.fetch(sql, job_id)}


async def place(
    db: Database, job_id: int, name: str, *, media_type: str, measures: tuple[int, int, int], blob_ids: tuple[int, int]
) -> bool:
    """Put an image into its post; return whether there is room for it: the post may be gone, or have it already.

    `measures` are width and height in pixels, and bytes; `blob_ids` are the file's and the thumbnail's. The post is held before
    the row that looks for the image, as whoever deletes the post does. One statement.
    """
    return bool(
        await db.fetchval(
            """
            with post as materialized (
                select p.id, p.author_id from archived_media a join posts p on p.id = a.post_id
                where a.job_id = $1 and a.name = $2 and a.outcome is null for key share of p
            ), found as (
                update archived_media a set outcome = $9 from post p
                where a.job_id = $1 and a.name = $2 and a.outcome is null returning p.author_id, a.post_id, a.position, a.alt
            )
            insert into media (owner_id, post_id, position, alt, media_type, width, height, size, file_id, thumbnail_id)
            select author_id, post_id, position, alt, $3, $4, $5, $6, $7, $8 from found
            on conflict do nothing returning true
            """,
            job_id,
            name,
            media_type,
            *measures,
            *blob_ids,
            IMPORTED,
        )
    )


async def skip(db: Database, job_id: int, name: str, outcome: str) -> None:
    """Say why an image was not imported. One statement."""
    await db.execute("update archived_media set outcome = $3 where job_id = $1 and name = $2", job_id, name, outcome)


async def skip_rest(db: Database, job_id: int, outcome: str) -> None:
    """Say the same of all images that a job still looks for. One statement."""
    await db.execute("update archived_media set outcome = $2 where job_id = $1 and outcome is null", job_id, outcome)


async def outcomes(db: Database, job_id: int) -> dict[str | None, int]:
    """Return how many of a job's images have which outcome. One statement."""
    sql = "select outcome, count(*) from archived_media where job_id = $1 group by outcome"
    return {row[0]: row[1] for row in await db.fetch(sql, job_id)}
