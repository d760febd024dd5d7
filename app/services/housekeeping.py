"""Housekeeping: rows whose time is over leave the database."""

import asyncio

import structlog

from app import stores
from app.domain.errors import FeedgraphError
from app.infra import job_queue
from app.infra.database import Database
from app.settings import Settings

log = structlog.get_logger(__name__)

ROUND_S = 600.0


async def keep_house(db: Database, settings: Settings) -> None:
    """Remove expired sessions, old jobs, images that no post took and forgotten keys, every ten minutes, for ever."""
    while True:
        try:
            await stores.sessions.delete_expired(db)
            await stores.blobs.delete_expired(db)
            await stores.media.delete_waiting(db, ttl_s=settings.media_ttl_s)
            await stores.jobs.delete_older(db, ttl_s=settings.job_ttl_s)
            await job_queue.forget_old(db)
            await stores.idempotency.delete_older(db, ttl_s=settings.idempotency_ttl_s)
        except FeedgraphError as error:
            log.warning("housekeeping_failed", error=error.message)
        await asyncio.sleep(ROUND_S)
