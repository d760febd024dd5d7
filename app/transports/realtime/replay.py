"""Reading the log alone: a listener who resumes, does not read, or lacks points goes at its own pace until it is at the head."""

import asyncio
from typing import TYPE_CHECKING

import structlog

from app import services
from app.domain.budgets import Standing
from app.domain.errors import FeedgraphError, Throttled
from app.domain.events import Event, EventCursor, Gap
from app.services.context import RequestContext
from app.services.streams import Happening
from app.transports.graphql.subscriptions import gap_payload
from app.transports.realtime.groups import OUTAGE_S, PAUSE_S, Group, before, gone
from app.transports.realtime.listening import Listener
from app.transports.realtime.news import News

log = structlog.get_logger(__name__)

if TYPE_CHECKING:  # the hub starts replays
    from app.transports.realtime.hub import Hub


async def replay(hub: "Hub", listener: Listener, group: Group) -> None:
    """Send what lies between the listener and the log's head, then let it join its group."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + OUTAGE_S
    ctx = RequestContext(hub.resources)
    while not listener.is_over and not hub.join(listener):
        try:
            await pass_on_batch(hub, listener, group, ctx)
            give_up_at = loop.time() + OUTAGE_S
        except ConnectionError:
            return  # the client left; its connection ends the listener
        except FeedgraphError:  # the database is away
            if loop.time() > give_up_at:
                listener.break_off()
                return
            await asyncio.sleep(PAUSE_S)
        except Exception as error:  # whatever it is: nobody may wait for ever in silence
            log.error("event_not_told", behind=str(listener.cursor), exc_info=error)
            listener.break_off()
            return
    group.caught_up()


async def pass_on_batch(hub: "Hub", listener: Listener, group: Group, ctx: RequestContext) -> None:
    """Send what concerns the listener of the events right behind it."""
    batch, cursor = await services.updates.behind(ctx, listener.cursor)
    for event in batch:
        await pass_on(hub, listener, group, event, cursor.epoch)
        if listener.is_over:
            return
    listener.cursor = cursor
    if not batch:
        await asyncio.sleep(0)  # the hub is about to arrive here, too


async def pass_on(hub: "Hub", listener: Listener, group: Group, event: Event | Gap, epoch: int) -> None:
    """Send one event if it concerns the listener, as soon as the client reads and its caller has the points."""
    stream = group.subscription.stream
    if isinstance(event, Gap):
        await deliver(listener, News(gap_payload(event), event.end, 0))
        hub.gaps += 1
        return
    if event.position <= listener.cursor.position or stream.topic not in event.topics or not stream.hears(event):
        return
    listener.cursor = before(EventCursor(epoch, event.position))
    await listener.room()
    viewers = () if listener.viewer_id is None else (listener.viewer_id,)
    happening = Happening(hub.resources.db, event, epoch, lambda: viewers)
    if await stream.audience(happening, {listener.viewer_id}):
        await send(hub, listener, group, happening)
        if await stream.is_last(happening):
            listener.finish()
    elif stream.ends_without_post:
        await deliver(listener, gone(happening))
        listener.finish()


async def send(hub: "Hub", listener: Listener, group: Group, happening: Happening) -> None:
    """Pay for one event, execute it, send it."""
    requested, budgets = group.subscription.bill.charge.requested, hub.resources.budgets
    standing = await paid(hub, listener, requested)
    try:
        news = await group.kept(happening)
    except FeedgraphError:
        await budgets.refund(listener.caller, requested)  # it is tried again, and paid for then
        raise
    if news.cost < requested:
        standing = await budgets.refund(listener.caller, requested - news.cost)
    await deliver(listener, group.with_cost(news, standing) if group.subscription.wants_cost else news)
    hub.deliveries += 1


async def deliver(listener: Listener, news: News) -> None:
    """Send an answer as soon as the client reads.

    Raises:
        ConnectionError: it is gone.
    """
    while not listener.send(news):
        await asyncio.sleep(0)
        await listener.room()
    listener.cursor = news.cursor


async def paid(hub: "Hub", listener: Listener, points: int) -> Standing:
    """Charge the listener's caller, waiting until there are points enough: a listener that outruns its budget is slowed down and
    misses nothing."""
    while True:
        try:
            return await hub.resources.budgets.pay(listener.caller, points)
        except Throttled as error:
            await asyncio.sleep(error.retry_after_s)
