"""The end of an account: nobody signs in from the moment it is accepted, and in the end nothing of it is left."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app import stores
from app.domain.errors import Forbidden
from app.domain.events import EventType, NewEvent, about_post, about_session, about_user
from app.domain.models import Job
from app.infra import event_log
from app.infra.database import Database
from app.services import jobs, sessions
from app.services.context import RequestContext
from app.services.jobs import Attempt

ROWS_AT_ONCE = 200


async def request_deletion(ctx: RequestContext, password: str) -> Job:
    """Accept the deletion of the viewer's account. Other sessions end at once; this one ends with the account, to watch the job.

    Raises:
        Unauthenticated: the request is anonymous.
        Forbidden: the password is wrong, or the account has none.
        Throttled: too many attempts, or too many jobs that have not ended.
    """
    viewer = ctx.signed_in()
    if not await sessions.knows_password(ctx, password):
        raise Forbidden("The password is wrong: an account is deleted only by who knows its password.")
    async with ctx.db.transaction() as db:
        for job in await stores.jobs.unfinished(db, viewer.user_id):
            if job.kind != jobs.ACCOUNT_DELETION and await stores.jobs.cancel(db, job.id, owner_id=viewer.user_id):
                await event_log.append(db, jobs.event_about(job.id))
        job = await jobs.request(ctx, db, jobs.ACCOUNT_DELETION, is_single=True)
        await stores.accounts.close(db, viewer.user_id)
        ended = await stores.accounts.delete_sessions(db, viewer.user_id, but=viewer.session_id)
        await tell(db, [about_session(id_) for id_ in ended])
    ctx.resources.relay.wake()
    return job


async def delete(attempt: Attempt) -> dict[str, Any]:
    """Do the job: take away what there is a batch at a time; end the last sessions; then what came meanwhile, and the account."""
    user_id = attempt.job.owner_id
    work = Sweep(attempt, attempt.job.done, attempt.job.done + await stores.accounts.size(attempt.db, user_id))
    await work.run()
    async with attempt.db.transaction() as db:
        await attempt.advance(db, work.done, work.total)
        await tell(db, [about_session(id_) for id_ in await stores.accounts.delete_sessions(db, user_id)])
    attempt.tell()
    await work.run()
    async with attempt.db.transaction() as db:
        if await stores.accounts.lock(db, user_id):  # a write still on its way comes before this, or finds nobody
            for remove in KINDS:
                while removed := await remove(db, user_id):
                    work.done += removed
            await attempt.advance(db, work.done, work.done)
            await stores.blobs.delete_of_owner(db, user_id)
            await stores.accounts.delete(db, user_id)
            await tell(db, [about_user(EventType.USER_DELETED, user_id)])
    return {}


@dataclass(slots=True)
class Sweep:
    """Goes through all that belongs to somebody, kind after kind, and counts."""

    attempt: Attempt
    done: int
    total: int

    async def run(self) -> None:
        """Remove full batches; a last one that is not full ends a kind, or somebody who goes on writing would never be done."""
        for remove in KINDS:
            removed = ROWS_AT_ONCE
            while removed >= ROWS_AT_ONCE:
                async with self.attempt.db.transaction() as db:
                    removed = await remove(db, self.attempt.job.owner_id)
                    self.done += removed
                    self.total = max(self.done, self.total)
                    await self.attempt.advance(db, self.done, self.total)
                self.attempt.tell()


async def remove_posts(db: Database, user_id: int) -> int:
    """Remove the next of somebody's posts; return how many."""
    removed, answered = await stores.accounts.delete_posts(db, user_id, limit=ROWS_AT_ONCE)
    await stores.users.add_to_posts_count(db, user_id, -len(removed))
    await tell(db, [about_post(EventType.POST_DELETED, post) for post in removed])
    await tell(db, [about_post(EventType.POST_COUNTERS, post) for post in answered])
    return len(removed)


async def remove_likes(db: Database, user_id: int) -> int:
    """Remove the next of somebody's likes; return how many."""
    liked = await stores.accounts.delete_likes(db, user_id, limit=ROWS_AT_ONCE)
    await tell(db, [about_post(EventType.POST_COUNTERS, post) for post in liked])
    return len(liked)


async def remove_follows(db: Database, user_id: int) -> int:
    """Remove the next follows of somebody and by somebody; return how many."""
    removed, others = await stores.accounts.delete_follows(db, user_id, limit=ROWS_AT_ONCE)
    await tell(db, [about_user(EventType.USER_CHANGED, id_) for id_ in others])
    return removed


KINDS = (remove_posts, remove_likes, remove_follows)


async def tell(db: Database, events: Sequence[NewEvent]) -> None:
    """Leave the events, if there are any, in the log."""
    if events:
        await event_log.append(db, *events)
