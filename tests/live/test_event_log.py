"""The event log under many writers, several processes, and everything that may break on the way."""

import asyncio
import os
import random
import secrets
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import CursorInvalid, Unauthenticated
from app.domain.events import Event, EventCursor, EventType, Gap, NewEvent, session_topic
from app.domain.models import Viewer
from app.infra import embedded, event_log
from app.infra.database import Database
from app.infra.embedded import Addresses, place, process
from app.infra.event_log import Tail, journal
from app.services.context import RequestContext
from app.services.updates import follow, until_signed_out
from tests.conftest import quiet
from tests.faults.programs import Backend, backend
from tests.live.nodes import TOPIC, Handler, Node, append, epoch_of, node, start_of, until

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

WRITERS, TRANSACTIONS = 12, 30
END = 0  # subject of the last event: readers stop at it
NOBODY = "unix:///nowhere/redis.sock"


class RolledBack(Exception):
    """A writer changes its mind."""


@pytest.fixture
def prefix() -> str:
    return f"test:{secrets.token_hex(6)}:"


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[tuple[str, int]]:
    """Address and process id of a Valkey that nobody else uses."""
    with tempfile.TemporaryDirectory(prefix="feedgraph-live-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # as root, the server runs under another account
        with embedded.running(home, say=quiet, durable=False, postgres=False) as addresses:
            [pid] = process.at_work("valkey-server", place.directory_of(home) / "valkey")
            yield addresses.redis_url, pid


async def write(nodes: list[Node], chance: random.Random, first_subject: int) -> list[int]:
    """Write in transactions that take their time, some of which never commit; return the subjects of those that did."""
    written = []
    for subject_id in range(first_subject, first_subject + TRANSACTIONS):
        at = chance.choice(nodes)
        with suppress(RolledBack):
            async with at.db.transaction() as db:
                await append(db, subject_id)
                await asyncio.sleep(chance.random() * 0.03)  # the longer, the more transactions overtake this one
                if chance.random() < 0.2:
                    raise RolledBack
            written.append(subject_id)
            if chance.random() < 0.7:  # a wake that gets lost is what the sweep is for
                at.relay.wake()
    return written


async def read(ctx: RequestContext, after: EventCursor | None) -> list[Event]:
    """Follow up to the last event."""
    events: list[Event] = []
    async for event in follow(ctx, [TOPIC], after=after):
        assert isinstance(event, Event)
        events.append(event)
        if event.subject_id == END:
            break
    return events


CUT = """
select pg_terminate_backend(pid) from pg_locks
where locktype = 'advisory' and objid = $1 and granted
and database = (select oid from pg_database where datname = current_database())
"""


async def break_relays(nodes: list[Node], chance: random.Random) -> None:
    """Cancel relays in the middle of whatever they do, or cut the leader's connection, for ever."""
    while True:
        at = chance.choice(nodes)
        if chance.random() < 0.5:
            await at.db.fetch(CUT, journal.LEADER_LOCK)
        else:
            await at.stop_relay()
            await asyncio.sleep(chance.random() * 0.05)
            at.start_relay()
        await asyncio.sleep(chance.random() * 0.1)


async def freeze(pid: int, chance: random.Random) -> None:
    """Stop a process and let it go on, again and again."""
    try:
        while True:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(0.1 + chance.random() * 0.5)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(chance.random() * 0.2)
    finally:
        os.kill(pid, signal.SIGCONT)


async def restart(valkey: Backend, chance: random.Random) -> None:
    """Kill a Valkey and start it again, empty, again and again."""
    while True:
        await asyncio.sleep(chance.random() * 0.2)
        valkey.kill()
        await asyncio.sleep(chance.random() * 0.3)
        await asyncio.shield(asyncio.to_thread(valkey.start))


@asynccontextmanager
async def doing(*works):
    """Do something beside the block."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, asyncio.CancelledError), result


async def write_and_read(addresses: Addresses, prefix: str, chance: random.Random, hears: Callable[[Handler], Handler], *faults):
    """Write in three processes while faults happen; return what was written and what each reader saw from where."""
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(node(addresses, prefix, hears=hears)) for _ in range(3)]
        start = await start_of(nodes[0].db)
        readings = [(start, asyncio.create_task(read(at.context(), start))) for at in nodes]
        async with doing(break_relays(nodes, chance), *faults):
            writers = [asyncio.create_task(write(nodes, chance, 1 + number * TRANSACTIONS)) for number in range(WRITERS)]
            for _ in range(6):  # readers that join in the midst of it, from the live end or from somewhere behind it
                await asyncio.sleep(0.05)
                at = chance.choice(nodes)
                ctx = at.context()
                after = EventCursor(start.epoch, chance.randint(0, ctx.event_cursor.position))
                readings.append((ctx.event_cursor, asyncio.create_task(read(ctx, None))))
                readings.append((after, asyncio.create_task(read(at.context(), after))))
            written = [subject for subjects in await asyncio.gather(*writers) for subject in subjects]
        await append(nodes[1].db, END)
        async with asyncio.timeout(20):
            return written, [(after.position, await reading) for after, reading in readings]


@pytest.fixture
def troubled(fault: str, own_valkey: tuple[str, int]) -> Iterator[tuple[str, list[Callable[[random.Random], Any]]]]:
    """The address of a Redis, and what happens to it."""
    address, pid = own_valkey
    if fault == "Redis restarts":
        with backend("valkey-server") as valkey:
            yield valkey.address, [partial(restart, valkey)]
    else:
        yield NOBODY if fault == "Redis is away" else address, [partial(freeze, pid)] if fault == "Redis hangs" else []


@pytest.mark.parametrize("fault", ["messages get lost", "Redis hangs", "Redis restarts", "Redis is away"])
async def test_every_reader_sees_every_committed_event_once_in_one_order(
    fault, round_, addresses: Addresses, db: Database, prefix: str, troubled
) -> None:
    chance = random.Random(f"{fault} {round_}")
    redis_url, faults = troubled

    def losing(handler: Handler) -> Handler:
        return lambda message: handler(message) if chance.random() < 0.5 else None

    written, readings = await write_and_read(
        Addresses(addresses.database_url, redis_url),
        prefix,
        chance,
        losing if fault == "messages get lost" else lambda handler: handler,
        *(trouble(chance) for trouble in faults),
    )

    log = [(row["position"], row["subject_id"]) for row in await db.fetch("select * from event_log order by position")]
    assert [position for position, _ in log] == list(range(1, len(written) + 2))
    assert sorted(subject for _, subject in log) == sorted([*written, END])
    assert 0 < len(written) < WRITERS * TRANSACTIONS
    assert await db.fetchval("select count(*) from outbox") == 0
    assert len(readings) == 15
    for after, events in readings:
        assert [(event.position, event.subject_id) for event in events] == log[after:]


async def test_leader_that_is_cancelled_lets_another_process_lead(addresses: Addresses, db: Database, prefix: str) -> None:
    async with node(addresses, prefix) as first:
        await until(lambda: first.relay.leads)
        async with node(addresses, prefix) as second:
            await first.stop_relay()
            assert not first.relay.leads
            await until(lambda: second.relay.leads)
            await append(db, 1)
            await until(lambda: first.tail.cursor.position == second.tail.cursor.position == 1)


def reached(at: Node, position: int) -> bool:
    return at.tail.cursor.position == position


async def test_there_is_one_leader_at_a_time(addresses: Addresses, db: Database, prefix: str) -> None:
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(node(addresses, prefix)) for _ in range(3)]
        await until(lambda: any(at.relay.leads for at in nodes))
        await append(db, *range(1, 20))
        await until(lambda: all(at.tail.cursor.position == 19 for at in nodes))
        assert sum(at.relay.leads for at in nodes) == 1


async def test_leader_whose_connection_is_cut_leads_again(addresses: Addresses, db: Database, prefix: str) -> None:
    async with node(Addresses(addresses.database_url, NOBODY), prefix) as only:
        for subject_id in range(1, 6):
            await until(lambda: only.relay.leads)
            assert await db.fetch(CUT, journal.LEADER_LOCK)
            await append(db, subject_id)
            await until(partial(reached, only, subject_id))
        log = await db.fetch("select position, subject_id from event_log order by position")
        assert [tuple(row) for row in log] == [(number, number) for number in range(1, 6)]


async def test_batch_that_arrives_while_the_head_is_read_stays_known(addresses: Addresses, db: Database, prefix: str) -> None:
    async with node(addresses, prefix, relays=False) as at:
        tail = Tail(at.db, poll_s=60, hears_redis=lambda: False)
        await tail.start()
        reading = asyncio.create_task(tail.catch_up())
        await asyncio.sleep(0)  # now the head is asked for; its answer will be older than the batch
        event = Event(1, EventType.POST_CREATED, datetime.now(UTC), (TOPIC,), 1)
        tail.receive(tail.cursor.epoch, [event])
        await reading
        assert tail.cursor.position == 1
        assert tail.after(EventCursor(tail.cursor.epoch, 0)) == [event]


async def test_batch_behind_a_hole_is_read_from_the_database(addresses: Addresses, db: Database, prefix: str) -> None:
    async with node(addresses, prefix, relays=False) as at:
        await append(db, 1, 2, 3)
        events = await journal.move_batch(db)
        at.tail.receive(await epoch_of(db), events[2:])
        await until(lambda: at.tail.cursor.position == 3)
        assert at.tail.after(await start_of(db)) == events


async def test_listener_of_another_life_of_the_log_is_told_of_a_gap(addresses: Addresses, db: Database, prefix: str) -> None:
    async with node(addresses, prefix) as at:
        await append(db, 1, 2)
        await until(lambda: at.tail.cursor.position == 2)
        here = at.tail.cursor
        stream: Any = follow(at.context(), [TOPIC])
        waiting = asyncio.ensure_future(anext(stream))
        try:
            await db.execute("update event_log_head set epoch = epoch + 1")
            gap = await asyncio.wait_for(waiting, 10)
            assert gap == Gap(here, EventCursor(here.epoch + 1, 2))
        finally:
            await db.execute("update event_log_head set epoch = epoch - 1")
            await stream.aclose()


async def test_listener_is_told_of_a_gap_when_the_log_is_turned_back(addresses: Addresses, db: Database, prefix: str) -> None:
    async with node(Addresses(addresses.database_url, NOBODY), prefix, relays=False) as at:
        await append(db, 1, 2, 3)
        await journal.move_batch(db)
        await until(lambda: at.tail.cursor.position == 3)
        here = at.tail.cursor
        stream: Any = follow(at.context(), [TOPIC])
        waiting = asyncio.ensure_future(anext(stream))
        await db.execute("delete from event_log where position > 1")
        await db.execute("update event_log_head set position = 1")  # as a backup does that is put in under a running server
        assert await asyncio.wait_for(waiting, 10) == Gap(here, EventCursor(here.epoch, 1))
        await append(db, 4)
        await journal.move_batch(db)
        event = await asyncio.wait_for(anext(stream), 10)
        assert isinstance(event, Event)
        assert (event.position, event.subject_id) == (2, 4)
        await stream.aclose()


async def test_events_that_left_the_log_are_a_gap_and_the_rest_follows(addresses: Addresses, db: Database, prefix: str) -> None:
    await append(db, *range(1, 11))
    await journal.move_batch(db)
    await event_log.discard_before(db, datetime.now(UTC) - timedelta(hours=1), keep=3)
    async with node(addresses, prefix) as at:
        start = await start_of(db)
        stream: Any = follow(at.context(), [TOPIC], after=start)
        assert await anext(stream) == Gap(start, EventCursor(start.epoch, 7))
        assert [(await anext(stream)).position for _ in range(3)] == [8, 9, 10]
        await stream.aclose()


async def test_log_that_is_emptied_is_a_gap_up_to_its_head(addresses: Addresses, db: Database, prefix: str) -> None:
    await append(db, 1, 2)
    await journal.move_batch(db)
    await event_log.discard_before(db, datetime.now(UTC) + timedelta(hours=1), keep=1_000)
    async with node(addresses, prefix) as at:
        start = await start_of(db)
        stream: Any = follow(at.context(), [TOPIC], after=start)
        assert await anext(stream) == Gap(start, EventCursor(start.epoch, 2))
        await stream.aclose()


async def oldest_of(db: Database) -> int:
    """Return the position before the oldest event that is given to readers."""
    with pytest.raises(event_log.Lost) as lost:
        await event_log.read_after(db, 0)
    return lost.value.oldest


async def test_relay_lets_old_events_leave_by_number_and_by_age(addresses: Addresses, db: Database) -> None:
    await append(db, *range(1, 11))
    await db.execute("update outbox set at = at - interval '2 days' where subject_id <= 3")
    await journal.move_batch(db)
    await event_log.discard_before(db, datetime.now(UTC) - timedelta(days=1), keep=1_000)
    assert await oldest_of(db) == 3
    await event_log.discard_before(db, datetime.now(UTC) - timedelta(days=1), keep=2)
    assert await oldest_of(db) == 8


async def test_cursor_ahead_of_this_process_is_looked_up_before_it_is_refused(
    addresses: Addresses, db: Database, prefix: str
) -> None:
    async with node(addresses, prefix, relays=False) as at:
        for task in at.tasks:
            task.cancel()  # this process hears nothing any more
        await append(db, 1, 2)
        await journal.move_batch(db)
        head = await event_log.head(db)
        assert at.tail.cursor.position == 0
        stream: Any = follow(at.context(), [TOPIC], after=EventCursor(head.epoch, 1))
        assert (await anext(stream)).position == 2
        await stream.aclose()
        with pytest.raises(CursorInvalid):
            await anext(follow(at.context(), [TOPIC], after=EventCursor(head.epoch, 3)))


async def test_end_of_a_session_is_seen_though_its_event_is_gone(addresses: Addresses, db: Database, prefix: str) -> None:
    user_id = await db.fetchval("insert into users (username, name) values ('ana', 'Ana') returning id")
    insert = "insert into sessions (user_id, token_hash, expires_at) values ($1, $2, now() + interval '1 day') returning id"
    ended, living = [await db.fetchval(insert, user_id, token) for token in (b"1", b"2")]
    expires_at = datetime.now(UTC) + timedelta(days=1)
    async with node(addresses, prefix, relays=False) as at:
        contexts = [at.context(Viewer(user_id, session_id, expires_at)) for session_id in (ended, living)]
        await db.execute("delete from sessions where id = $1", ended)
        await event_log.append(db, NewEvent(EventType.SESSION_REVOKED, (session_topic(ended),), ended))
        await journal.move_batch(db)
        await event_log.discard_before(db, datetime.now(UTC) + timedelta(hours=1), keep=1_000)
        at.tail.announce(await event_log.head(db))
        waits = [asyncio.ensure_future(until_signed_out(ctx)) for ctx in contexts]
        await asyncio.wait_for(waits[0], 10)
        with pytest.raises(Unauthenticated):
            async for _ in follow(contexts[0], [TOPIC]):
                pass
        assert not waits[1].done()
        waits[1].cancel()


async def test_listening_ends_when_redis_hangs_and_begins_again(own_valkey: tuple[str, int], addresses, db, prefix: str) -> None:
    redis_url, pid = own_valkey
    async with node(Addresses(addresses.database_url, redis_url), prefix) as at:
        await until(lambda: at.redis.is_listening)
        os.kill(pid, signal.SIGSTOP)
        try:
            await until(lambda: not at.redis.is_listening)
            await append(db, 1)
            await until(lambda: at.tail.cursor.position == 1)
        finally:
            os.kill(pid, signal.SIGCONT)
        await until(lambda: at.redis.is_listening)
