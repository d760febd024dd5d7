"""Who may ask for how much: points of cost, operations at once, documents that are new to this process, and sockets.

A caller's bucket lies in Redis. This process leases a slice of it and goes there again only when the slice is used up: a round
trip for every request would cost more than most requests. So a caller may spend at most a slice a process more than the bucket
holds.
"""

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog

from app.domain.budgets import Budget, Caller, Charge, Standing
from app.domain.errors import Overloaded, Throttled, TooManyOperations
from app.domain.models import Viewer
from app.settings import Settings
from app.stores.buckets import Buckets

if TYPE_CHECKING:  # the context holds the budgets
    from app.services.context import RequestContext

log = structlog.get_logger(__name__)

SLICES = 10  # in a full bucket
SHARE_WITHOUT_REDIS = 4  # the processes that we suppose to share a caller's bucket while they cannot ask each other
CALLERS_IN_MEMORY = 10_000
MINUTE_S = 60.0
TOO_EXPENSIVE = "COST_ESTIMATED_TOO_EXPENSIVE"


@dataclass(slots=True)
class Lease:
    """What this process holds of a caller's bucket."""

    points: int = 0  # paid for in Redis, not spent yet
    left: int = 0  # in Redis when we were there last, at `seen_s`
    seen_s: float = 0.0
    own_points: float = 0.0  # the bucket of this process alone, for the time without Redis, as of `own_s`
    own_s: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one trip to Redis at a time, so that a lease is one slice


class Budgets:
    """What callers have spent and are doing, in this process."""

    def __init__(self, settings: Settings, buckets: Buckets) -> None:
        self._settings = settings
        self._buckets = buckets
        self._anonymous = Budget("anonymous", settings.anonymous_points, settings.anonymous_points_per_s)
        self._signed_in = Budget("signed-in", settings.signed_in_points, settings.signed_in_points_per_s)
        self._unlimited = Budget("unlimited", settings.signed_in_points, settings.signed_in_points_per_s, is_unlimited=True)
        self._leases: OrderedDict[str, Lease] = OrderedDict()
        self._new_documents: OrderedDict[str, tuple[float, int]] = OrderedDict()  # by caller: end of the window, count
        self._running = Present()
        self._sockets = Present()
        self._is_alone = False
        self.at_address = lru_cache(CALLERS_IN_MEMORY)(self._at_address)

    @property
    def is_alone(self) -> bool:
        """Say whether Redis was away when it was last needed, so that each process counts for itself."""
        return self._is_alone

    def caller(self, viewer: Viewer | None, address: str) -> Caller:
        """Return who pays for a request."""
        if viewer is None:
            return self.at_address(address)
        if viewer.is_unlimited:
            return Caller(f"unlimited:{viewer.user_id}", self._unlimited)  # apart, so that it does not empty the user's bucket
        return Caller(f"user:{viewer.user_id}", self._signed_in)

    def _at_address(self, address: str) -> Caller:
        """Return who pays for an anonymous request from this address."""
        return Caller(f"address:{network_of(address)}", self._anonymous)

    def pay_at_once(self, caller: Caller, points: int) -> bool:
        """Take points that this process holds already; return whether there were enough."""
        lease = self._lease(caller)
        if lease.points < points:
            return False
        lease.points -= points
        return True

    async def pay(self, caller: Caller, points: int) -> Standing:
        """Take points from the caller's bucket; what costs more than a full one takes all of it.

        Raises:
            Throttled: there are not enough.
        """
        lease = self._lease(caller)
        points = min(points, caller.budget.points)
        if lease.points < points:
            async with lease.turn:
                if lease.points < points:
                    await self._renew(caller, lease, points)
                lease.points -= points
        else:
            lease.points -= points
        return standing(caller, lease)

    async def refund(self, caller: Caller, points: int) -> Standing:
        """Give back what was paid and not needed."""
        await self.give_back(caller, points)
        return self.standing(caller)

    async def give_back(self, caller: Caller, points: int) -> None:
        """Do the same without a look at what is left."""
        lease = self._lease(caller)
        lease.points += points
        surplus = lease.points - slice_of(caller.budget)
        if surplus > 0:
            lease.points -= surplus
            lease.left = min(caller.budget.points, lease.left + surplus)
            await self._buckets.put_back(caller, surplus)

    def standing(self, caller: Caller) -> Standing:
        """Return what a caller has left, as far as this process knows."""
        return standing(caller, self._lease(caller))

    async def _renew(self, caller: Caller, lease: Lease, points: int) -> None:
        """Bring the lease to at least so many points."""
        missing = points - lease.points
        taken = await self._buckets.take(caller, missing, missing + slice_of(caller.budget))
        if taken is None:
            self._spend_alone(caller, lease, missing)
            return
        if self._is_alone:
            self._is_alone = False
            log.warning("budgets_shared_again")
        lease.left, lease.seen_s = taken.left, time.monotonic()
        if taken.points == 0:
            raise throttled(caller.budget, missing - taken.left)
        lease.points += taken.points

    def _spend_alone(self, caller: Caller, lease: Lease, points: int) -> None:
        """Take points from a smaller bucket of this process."""
        if not self._is_alone:
            self._is_alone = True
            log.warning("budgets_not_shared", share=f"1/{SHARE_WITHOUT_REDIS} of each bucket")
        budget, now_s = caller.budget, time.monotonic()
        full = max(1, budget.points // SHARE_WITHOUT_REDIS)
        flow = budget.points_per_s / SHARE_WITHOUT_REDIS
        has = min(full, lease.own_points + (now_s - lease.own_s) * flow) if lease.own_s else full
        points_here = min(points, full)
        lease.left, lease.seen_s = int(has), now_s
        if has < points_here and not budget.is_unlimited:
            raise throttled(budget, int((points_here - has) * SHARE_WITHOUT_REDIS))
        lease.own_points, lease.own_s = max(has - points_here, -full), now_s
        lease.left = int(lease.own_points)
        lease.points += points

    def _lease(self, caller: Caller) -> Lease:
        lease = self._leases.get(caller.key)
        if lease is None:
            lease = self._leases[caller.key] = Lease(left=caller.budget.points, seen_s=time.monotonic())
            if len(self._leases) > CALLERS_IN_MEMORY:
                self._leases.popitem(last=False)
        else:
            self._leases.move_to_end(caller.key)
        return lease

    def count_new_document(self, caller: Caller) -> None:
        """Count a document that this process must parse and validate, which takes it more than most requests.

        Raises:
            Throttled: there were too many in this minute.
        """
        if caller.budget.is_unlimited:
            return
        now_s = time.monotonic()
        end_s, count = self._new_documents.pop(caller.key, (0.0, 0))
        if end_s <= now_s:
            end_s, count = now_s + MINUTE_S, 0
        self._new_documents[caller.key] = (end_s, count + 1)
        if len(self._new_documents) > CALLERS_IN_MEMORY:
            self._new_documents.popitem(last=False)
        limit = self._settings.new_documents_allowed
        if count >= limit:
            message = f"More than {limit} new documents in a minute: send values as variables, so that documents stay the same."
            raise Throttled(message, retry_after_s=max(1, int(end_s - now_s) + 1))

    def running(self, caller: Caller) -> "Counted":
        """Count an operation while it runs: `with budgets.running(caller):`.

        Raises:
            Overloaded: the caller, or all callers together, run too many.
        """
        limits, running = self._settings, self._running
        if running.total >= limits.max_running:
            raise Overloaded
        if running.keys.get(caller.key, 0) >= limits.max_running_per_caller and not caller.budget.is_unlimited:
            raise Overloaded(f"More than {limits.max_running_per_caller} of your operations at once: wait for some to end.")
        return Counted(running, caller.key)

    @contextmanager
    def socket(self, caller: Caller) -> Iterator[bool]:
        """Count a socket while it is open; give False where the caller has too many."""
        is_anonymous = caller.budget is self._anonymous
        limit = self._settings.max_sockets_per_address if is_anonymous else self._settings.max_sockets_per_user
        with Counted(self._sockets, caller.key):
            yield self._sockets.keys[caller.key] <= limit or caller.budget.is_unlimited

    @contextmanager
    def lasting(self, caller: Caller) -> Iterator[None]:
        """Count what lasts as long as its client wants (a stream, a poll that waits, a file on its way) among the sockets.

        Raises:
            TooManyOperations: the caller has too many of all these.
        """
        with self.socket(caller) as is_allowed:
            if not is_allowed:
                raise TooManyOperations
            yield


class Present:
    """How many there are, by key and together."""

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}
        self.total = 0


class Counted:
    """Counts one more while the context is open; keys that have none are forgotten."""

    __slots__ = ("_key", "_present")

    def __init__(self, present: Present, key: str) -> None:
        self._present, self._key = present, key

    def __enter__(self) -> None:
        """Count."""
        self._present.keys[self._key] = self._present.keys.get(self._key, 0) + 1
        self._present.total += 1

    def __exit__(self, *_: object) -> None:
        """Count no more."""
        present, key = self._present, self._key
        present.total -= 1
        left = present.keys[key] - 1
        if left:
            present.keys[key] = left
        else:
            del present.keys[key]


def slice_of(budget: Budget) -> int:
    """Return how many points a process takes at a time."""
    return max(1, budget.points // SLICES)


def standing(caller: Caller, lease: Lease) -> Standing:
    """Return what is left: what Redis had, what has flowed back since, and what this process holds."""
    flowed = int((time.monotonic() - lease.seen_s) * caller.budget.points_per_s)
    return Standing(caller.budget, max(0, min(caller.budget.points, lease.left + flowed + lease.points)))


def throttled(budget: Budget, missing: int) -> Throttled:
    """Return the error for a caller who lacks so many points."""
    wait_s = max(1, -(-missing // budget.points_per_s))
    return Throttled(f"Your budget of {budget.points:,} points is used up: try again in {wait_s} s.", retry_after_s=wait_s)


def network_of(address: str) -> str:
    """Return what stands for an anonymous caller: the address; of IPv6, the network that one household gets."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)


def too_large(*, nodes: int, cost: int, limits: Settings) -> tuple[str, str] | None:
    """Return why a request is too large to run, as a code and a message; None where it is not.

    `nodes` are the rows that its lists may have, `cost` is what it may cost.
    """
    if nodes > limits.max_nodes:
        rows = shown_number(nodes)
        return "NODE_LIMIT", f"The operation asks for up to {rows} rows, more than {limits.max_nodes:,}: ask for smaller pages."
    if cost > limits.max_cost:
        points = f"{shown_number(cost)} points, more than {limits.max_cost:,}"
        return TOO_EXPENSIVE, f"The operation may cost {points}: ask for less or in several operations."
    return None


def shown_number(number: int) -> str:
    """Return a number as a person reads it."""
    return f"{number:,}" if number < 10**15 else "more than 10^15"


async def charge(ctx: "RequestContext", caller: Caller, charge: Charge, points: int) -> None:
    """Take points for a request from who pays for it; `ctx.charge` is the charge from then on.

    Raises:
        Throttled: the caller has not enough points left.
    """
    ctx.charge = charge
    budgets = ctx.resources.budgets
    if budgets.pay_at_once(caller, points):
        return
    try:
        await budgets.pay(caller, points)
    except Throttled:
        charge.actual = 0
        raise


async def settle(ctx: "RequestContext", caller: Caller, charge: Charge, actual: int) -> None:
    """Give back what a request did not need of what was requested."""
    charge.actual = min(charge.requested, actual)
    if charge.actual < charge.requested:
        await ctx.resources.budgets.give_back(caller, charge.requested - charge.actual)


def now(ctx: "RequestContext") -> tuple[Charge | None, Standing, datetime]:
    """Return what this request was charged, what its caller has left, and when that will be all again."""
    ctx.is_personal = True
    charge = ctx.charge
    left = ctx.resources.budgets.standing(ctx.caller)
    return charge, left, datetime.now(UTC) + timedelta(seconds=left.reset_s)
