"""The blobs tables: large values in pieces, which every node can read."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta

from app.domain.models import Blob
from app.infra.database import Database

PIECE_BYTES = 256 * 1024
COLUMNS = ", ".join(f"b.{field.name}" for field in fields(Blob))


async def insert(db: Database, *, owner_id: int, media_type: str, ttl_s: int | None) -> int:
    """Make a blob without pieces, which goes after its time (None: never by itself); return its id. One statement."""
    sql = "insert into blobs (owner_id, media_type, expires_at) values ($1, $2, now() + $3::interval) returning id"
    return int(await db.fetchval(sql, owner_id, media_type, timedelta(seconds=ttl_s) if ttl_s is not None else None))


async def write(db: Database, blob_id: int, number: int, piece: bytes) -> None:
    """Add the piece with this number, from 0; pieces before the last have PIECE_BYTES. One statement.

    Raises:
        NotFound: the blob is gone.
    """
    await db.execute(
        """
        with written as (insert into blob_pieces (blob_id, number, bytes) values ($1, $2, $3) returning blob_id)
        update blobs set size = size + length($3) from written where id = written.blob_id
        """,
        blob_id,
        number,
        piece,
    )


async def read(db: Database, blob_id: int, number: int) -> bytes | None:
    """Return a piece, None behind the last one. One statement."""
    piece: bytes | None = await db.fetchval("select bytes from blob_pieces where blob_id = $1 and number = $2", blob_id, number)
    return piece


async def by_ids(db: Database, ids: Sequence[int]) -> list[Blob | None]:
    """Return the blobs with these ids whose time is not over, None for others. One statement."""
    sql = f"select {COLUMNS} from blobs b where b.id = any($1) and (b.expires_at is null or b.expires_at > now())"
    found = {row[0]: Blob(*row) for row in await db.fetch(sql, ids)}
    return [found.get(id_) for id_ in ids]


async def take(db: Database, blob_id: int) -> Blob | None:
    """Claim a blob that can be fetched once; None where it was fetched before or its time is over. One statement."""
    row = await db.fetchrow(
        f"""
        update blobs b set taken_at = now()
        where b.id = $1 and b.taken_at is null and (b.expires_at is null or b.expires_at > now()) returning {COLUMNS}
        """,
        blob_id,
    )
    return Blob(*row) if row else None


async def give_back(db: Database, blob_id: int) -> None:
    """Take back a claim: the blob was not fetched to its end. One statement."""
    await db.execute("update blobs set taken_at = null where id = $1", blob_id)


async def delete(db: Database, ids: Sequence[int]) -> None:
    """Remove blobs with their pieces. One statement."""
    await db.execute("delete from blobs where id = any($1)", ids)


async def delete_of_owner(db: Database, owner_id: int) -> None:
    """Remove everything that belongs to somebody. One statement."""
    await db.execute("delete from blobs where owner_id = $1", owner_id)


async def keep_for(db: Database, blob_id: int, *, ttl_s: int | None) -> None:
    """Give a blob another time to go; None is never by itself. One statement."""
    ttl = timedelta(seconds=ttl_s) if ttl_s is not None else None
    await db.execute("update blobs set expires_at = now() + $2::interval where id = $1", blob_id, ttl)


async def delete_expired(db: Database) -> None:
    """Remove blobs whose time is over. One statement."""
    await db.execute("delete from blobs where expires_at <= now()")
