"""The gRPC client of the comparison: the same screens as GraphQL's, and bytes as a relay in between sees them."""

import pytest

from app.bench import targets, wire
from app.bench.fetches import measure
from app.bench.grpc_client import GrpcWire, grpc_calls, opened
from app.bench.screens import SCREENS, Target
from app.bench.wire import CannotMeasure, Traffic
from app.domain.demo import DEMO_TOKEN
from tests.bench.conftest import plan_for, quiet
from tests.grpc_calls import address_of

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

FRAMES_BYTES = 100  # pings and window updates that HTTP/2 sends on its own a moment later, 13 to 17 bytes each
CALLS = {"profile": (2, 1, 3), "home feed": (2, 2, 7), "thread": (3, 2, 8)}  # calls, round trips, statements


@pytest.fixture
async def demo_server(demo_world, start_server):
    """A server that has the demo world, with gRPC."""
    return await start_server(grpc=True)


@pytest.fixture
async def target(demo_server) -> Target:
    """What the screens show."""
    plan = plan_for(demo_server.url)
    async with wire.opened(plan.url) as scout:
        return await targets.find(scout, user_id=plan.user_id, post_id=None, token=plan.token)


async def got(calls: GrpcWire, screen, target):
    """Return the screen with its round trips, and what that cost."""
    calls.traffic, calls.token = Traffic(), DEMO_TOKEN if screen.signed_in else None
    return await grpc_calls(calls, screen, target)


async def test_its_screens_are_those_of_graphql_in_few_calls(demo_server, target):
    async with opened(address_of(demo_server)) as calls:
        calls.asks_counts = True
        for screen in SCREENS:
            headers = {"Authorization": f"Bearer {DEMO_TOKEN}"} if screen.signed_in else {}
            data = (await demo_server.graphql(screen.query, screen.variables(target), headers=headers)).data
            shown, round_trips = await got(calls, screen, target)
            assert shown == data
            assert (calls.traffic.requests, round_trips, calls.traffic.statements) == CALLS[screen.name]
            assert 0 < calls.traffic.body_bytes < calls.traffic.received_bytes < calls.traffic.body_bytes + 1_000


async def test_it_stands_in_the_comparison_of_every_way(demo_server):
    plan = plan_for(demo_server.url, every=True, cpu_runs=1, grpc=address_of(demo_server))
    costs = [cost for cost in (await measure(plan, quiet)).costs if cost.client == "gRPC"]
    assert {cost.screen: (cost.requests, cost.round_trips, cost.statements) for cost in costs} == CALLS
    assert all(cost.wire_bytes > cost.body_bytes > 0 for cost in costs)
    assert "gRPC" not in plan_for(demo_server.url, every=True).clients


async def test_its_bytes_are_those_that_pass(demo_server, start_relay, target):
    relay = await start_relay(to=address_of(demo_server))
    async with opened(relay.url.removeprefix("http://")) as calls:
        for screen in SCREENS:
            await got(calls, screen, target)
            before = relay.to_server_bytes, relay.to_client_bytes
            await got(calls, screen, target)
            received, sent = relay.to_client_bytes - before[1], relay.to_server_bytes - before[0]
            assert abs(calls.traffic.received_bytes - received) <= FRAMES_BYTES
            assert abs(calls.traffic.sent_bytes - sent) <= FRAMES_BYTES


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "localhost:http:"])
async def test_an_address_without_a_server_is_said(monkeypatch, address):
    monkeypatch.setattr("app.bench.grpc_client.REQUEST_TIMEOUT_S", 0.2)
    with pytest.raises(CannotMeasure, match="gRPC"):
        async with opened(address):
            pass
