"""Budgets: leases of a shared bucket, refunds, the time without Redis, and what runs at once."""

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from app.domain.budgets import Caller
from app.domain.errors import Overloaded, Throttled
from app.domain.models import Viewer
from app.infra.redis import Redis
from app.services.budgets import SHARE_WITHOUT_REDIS, SLICES, Budgets, network_of
from app.stores.buckets import Buckets
from tests.conftest import make_settings

SOON = datetime.now(UTC) + timedelta(hours=1)
SLOW = {"anonymous_points": 1_000, "anonymous_points_per_s": 1, "signed_in_points": 5_000, "signed_in_points_per_s": 1}


class CountedBuckets(Buckets):
    """Buckets that count the trips to Redis."""

    trips = 0

    async def take(self, caller: Caller, least: int, most: int):
        self.trips += 1
        return await super().take(caller, least, most)


@pytest.fixture
async def process(servers):
    """A function that starts the budgets of one more process on the same Redis keys."""
    common = make_settings(**SLOW)
    opened: list[Redis] = []

    def start(*, redis_url: str | None = None, **changes) -> tuple[Budgets, CountedBuckets]:
        settings = make_settings(**{**SLOW, "redis_prefix": common.redis_prefix, **changes})
        redis = Redis(redis_url or servers.redis_url, prefix=settings.redis_prefix, timeout_s=1)
        opened.append(redis)
        buckets = CountedBuckets(redis)
        return Budgets(settings, buckets), buckets

    yield start
    for redis in opened:
        await redis.close()


def anonymous(budgets: Budgets) -> Caller:
    """Return somebody without an account."""
    return budgets.caller(None, "192.0.2.1")


async def spent_until_throttled(budgets: Budgets, caller: Caller, cost: int) -> int:
    """Pay until it is refused; return how much was paid."""
    paid = 0
    while True:
        try:
            await budgets.pay(caller, cost)
        except Throttled:
            return paid
        paid += cost


def test_callers_are_users_addresses_and_ipv6_networks(process):
    budgets, _ = process()
    keys = [
        budgets.caller(viewer, address).key
        for viewer, address in [
            (Viewer(7, 1, SOON), "192.0.2.1"),
            (Viewer(7, 2, SOON, is_unlimited=True), "192.0.2.1"),
            (None, "192.0.2.1"),
            (None, "::ffff:192.0.2.1"),
            (None, "2001:db8:0:1::5"),
            (None, "2001:db8:0:1:ffff::"),
        ]
    ]
    assert keys == [
        "user:7",
        "unlimited:7",
        "address:192.0.2.1",
        "address:192.0.2.1",
        "address:2001:db8:0:1::",
        "address:2001:db8:0:1::",
    ]
    assert network_of("") == ""


async def test_a_caller_spends_a_full_bucket_and_no_more(process):
    budgets, _ = process()
    assert 1_000 <= await spent_until_throttled(budgets, anonymous(budgets), 7) + 6 <= 1_010


async def test_a_process_goes_to_redis_only_when_its_slice_is_used_up(process):
    budgets, buckets = process()
    for _ in range(900):
        await budgets.pay(anonymous(budgets), 1)
    assert buckets.trips <= SLICES


async def test_several_processes_overspend_by_a_slice_each_at_most(process):
    processes = [process()[0] for _ in range(4)]
    for budgets in processes:
        await budgets.pay(anonymous(budgets), 1)  # each holds a slice now
    paid = 4 + sum(await asyncio.gather(*(spent_until_throttled(budgets, anonymous(budgets), 3) for budgets in processes)))
    overshoot = 4 * 1_000 // SLICES
    assert paid <= 1_000 + overshoot + 60  # and what flowed back meanwhile
    assert paid >= 1_000 - overshoot


async def test_callers_at_once_in_one_process_spend_no_more_than_the_bucket(process):
    budgets, _ = process()
    outcomes = await asyncio.gather(*(budgets.pay(anonymous(budgets), 10) for _ in range(300)), return_exceptions=True)
    assert 99 <= sum(not isinstance(outcome, Throttled) for outcome in outcomes) <= 101


async def test_a_refund_can_be_spent_again_here_and_elsewhere(process):
    one, other = process()[0], process()[0]
    await one.pay(anonymous(one), 1_000)
    with pytest.raises(Throttled):
        await one.pay(anonymous(one), 50)
    assert (await one.refund(anonymous(one), 900)).remaining >= 900
    assert await spent_until_throttled(other, anonymous(other), 10) >= 700  # what is more than a slice went back to Redis
    assert await spent_until_throttled(one, anonymous(one), 10) >= 90


async def test_throttling_says_when_to_come_back(process):
    budgets, _ = process(anonymous_points_per_s=10)
    await budgets.pay(anonymous(budgets), 1_000)
    with pytest.raises(Throttled) as refusal:
        await budgets.pay(anonymous(budgets), 500)
    assert 45 <= refusal.value.retry_after_s <= 50


async def test_what_costs_more_than_a_full_bucket_takes_all_of_it(process):
    budgets, _ = process()
    assert (await budgets.pay(anonymous(budgets), 10**9)).remaining <= 5


async def test_users_have_larger_buckets_of_their_own(process):
    budgets, _ = process()
    await budgets.pay(anonymous(budgets), 1_000)
    standing = await budgets.pay(budgets.caller(Viewer(7, 1, SOON), "192.0.2.1"), 1_000)
    assert standing.budget.points == 5_000
    assert 3_995 <= standing.remaining <= 4_005
    assert 995 <= standing.reset_s <= 1_005


async def test_unlimited_callers_are_counted_and_never_refused(process):
    budgets, _ = process()
    caller = budgets.caller(Viewer(7, 1, SOON, is_unlimited=True), "")
    for _ in range(10):
        standing = await budgets.pay(caller, 4_000)
    assert standing.remaining == 0
    assert (await budgets.pay(budgets.caller(Viewer(7, 2, SOON), ""), 10)).remaining > 4_900  # the user's own bucket is whole


async def test_without_redis_a_process_gives_its_share_of_the_bucket_and_says_so(process):
    budgets, _ = process(redis_url="redis://127.0.0.1:1")
    with capture_logs() as lines:
        paid = await spent_until_throttled(budgets, anonymous(budgets), 5)
    assert 245 <= paid <= 1_000 // SHARE_WITHOUT_REDIS + 10
    assert [line["event"] for line in lines].count("budgets_not_shared") == 1


async def test_new_documents_are_counted_for_each_caller(process):
    budgets, _ = process(max_new_documents_per_minute=3)
    for _ in range(3):
        budgets.count_new_document(anonymous(budgets))
    with pytest.raises(Throttled) as refusal:
        budgets.count_new_document(anonymous(budgets))
    assert 1 <= refusal.value.retry_after_s <= 60
    budgets.count_new_document(budgets.caller(None, "192.0.2.2"))
    for _ in range(10):
        budgets.count_new_document(budgets.caller(Viewer(7, 1, SOON, is_unlimited=True), ""))


def test_operations_at_once_are_bounded_for_each_caller_and_for_all(process):
    budgets, _ = process(max_running_per_caller=2, max_running=3)
    with ExitStack() as running:
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
            running.enter_context(budgets.running(budgets.caller(None, address)))
        with pytest.raises(Overloaded), budgets.running(budgets.caller(None, "192.0.2.3")):
            pass
    with budgets.running(anonymous(budgets)), budgets.running(anonymous(budgets)):
        with pytest.raises(Overloaded, match="2 of your operations"), budgets.running(anonymous(budgets)):
            pass
        with budgets.running(budgets.caller(None, "192.0.2.2")):
            pass


def test_sockets_are_counted_while_they_are_open(process):
    budgets, _ = process(max_sockets_per_address=1, max_sockets_per_user=2)
    user = budgets.caller(Viewer(7, 1, SOON), "")
    with budgets.socket(anonymous(budgets)) as first, budgets.socket(anonymous(budgets)) as second:
        assert (first, second) == (True, False)
    with budgets.socket(anonymous(budgets)) as again, budgets.socket(user) as one, budgets.socket(user) as two:
        assert (again, one, two) == (True, True, True)
