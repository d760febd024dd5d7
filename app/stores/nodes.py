"""Things of any type by their ids, which are unique across all tables."""

from collections.abc import Sequence

from app.domain.models import Post, User
from app.infra.database import Database
from app.stores import posts, users

USER_WIDTH = users.COLUMNS.count(",") + 1


async def by_ids(db: Database, ids: Sequence[int], *, viewer_id: int | None) -> list[User | Post | None]:
    """Return the users and posts with these ids that the viewer may see. One statement over the primary keys."""
    rows = await db.fetch(
        f"""
        select {users.COLUMNS}, {posts.COLUMNS} from unnest($1::bigint[]) with ordinality k (id, number)
        left join users u on u.id = k.id
        left join posts p on p.id = k.id and {posts.visible("$2")}
        order by k.number
        """,
        ids,
        viewer_id,
    )
    return [
        User(*row[:USER_WIDTH]) if row[0] is not None else Post(*row[USER_WIDTH:]) if row[USER_WIDTH] is not None else None
        for row in map(tuple, rows)
    ]
