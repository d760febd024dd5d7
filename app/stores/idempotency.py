"""The idempotency keys: which request with a key came first, and what it made."""

from datetime import timedelta

from app.infra.database import Database


async def hold(db: Database, *, user_id: int, key: str) -> bool:
    """Keep other requests with the key out until the transaction ends; return False where another one keeps it. One statement."""
    return bool(await db.fetchval("select pg_try_advisory_xact_lock(hashtextextended($2, $1))", user_id, key))


async def claim(
    db: Database, *, user_id: int, key: str, request_hash: bytes, post_id: int, ttl_s: int
) -> tuple[int, bytes] | None:
    """Take the key for this request; return None, or the post and the request's hash of the one that has it. Two statements.

    Call it in the transaction of the effect: a second claim waits here until the first has ended, unless `hold` kept it out.
    """
    ttl = timedelta(seconds=ttl_s)
    taken = await db.fetchval(
        """
        insert into idempotency_keys as k (user_id, key, request_hash, post_id) values ($1, $2, $3, $4)
        on conflict (user_id, key) do update
            set request_hash = excluded.request_hash, post_id = excluded.post_id, created_at = excluded.created_at
            where k.created_at < now() - $5::interval
        returning true
        """,
        user_id,
        key,
        request_hash,
        post_id,
        ttl,
    )
    if taken:
        return None
    row = await db.fetchrow("select post_id, request_hash from idempotency_keys where user_id = $1 and key = $2", user_id, key)
    return (row[0], row[1]) if row else None


async def delete_older(db: Database, *, ttl_s: int) -> None:
    """Remove keys that are not remembered any more. One statement."""
    await db.execute("delete from idempotency_keys where created_at < now() - $1::interval", timedelta(seconds=ttl_s))
