"""Things of any type by their ids, which are unique across all tables."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from app.domain.models import Job, Media, Post, User
from app.infra.database import Database
from app.stores import jobs, media, posts, users

Node = User | Post | Job | Media

# What a row holds side by side: each type's columns, and what is made of them.
TYPES: Final[list[tuple[str, Callable[[Sequence[Any]], Node]]]] = [
    (users.COLUMNS, lambda row: User(*row)),
    (posts.COLUMNS, lambda row: Post(*row)),
    (jobs.COLUMNS, jobs.job_of),
    (media.COLUMNS, lambda row: Media(*row)),
]


async def by_ids(db: Database, ids: Sequence[int], *, viewer_id: int | None) -> list[Node | None]:
    """Return the users, posts, jobs and images with these ids that the viewer may see. One statement over the primary keys."""
    rows = await db.fetch(
        f"""
        select {", ".join(columns for columns, _ in TYPES)} from unnest($1::bigint[]) with ordinality k (id, number)
        left join users u on u.id = k.id
        left join posts p on p.id = k.id and {posts.visible("$2")}
        left join jobs j on j.id = k.id and j.owner_id = $2
        left join media m on m.id = k.id and {media.visible("$2")}
        order by k.number
        """,
        ids,
        viewer_id,
    )
    return [node_of(tuple(row)) for row in rows]


def node_of(row: Sequence[Any]) -> Node | None:
    """Return the thing whose columns are filled."""
    for columns, make in TYPES:
        width = columns.count(",") + 1
        if row[0] is not None:
            return make(row[:width])
        row = row[width:]
    return None
