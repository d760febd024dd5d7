"""Who may listen to `/api/v1/events`, for how long, at what price; and what is counted."""

import asyncio
import json

from app import services
from tests.clients import Person, TestServer
from tests.live.nodes import until
from tests.live.ways import EVENTS, REST_WAYS, STREAM, first, frames, long_poll, short_poll, sse
from tests.transports.realtime.event_faces import KEYS, ask, head, listening


async def ended_with(server: TestServer, person: Person, act) -> dict[str, str]:
    """Do something while a stream is open; return what the stream says at its end."""
    headers = {"Accept": "text/event-stream"} | person.headers
    async with server.http.get(server.url + EVENTS, params={"topics": "posts"}, headers=headers) as answer:
        stream = frames(answer)
        await anext(stream)
        await act()
        async with asyncio.timeout(2):
            last = [frame async for frame in stream][-1]
    assert last.fields["event"] == "end"
    return dict(json.loads(last.fields["data"]))


async def test_signing_out_ends_streams_and_long_polls(server: TestServer) -> None:
    ana = await server.person()
    poll = asyncio.create_task(ask(server, ana.headers, topics="posts", wait="20"))
    await until(lambda: server.running.resources.budgets._sockets.total == 1)
    end = await ended_with(server, ana, lambda: ana.graphql("mutation { signOut }"))
    assert (end["code"], end["detail"]) == ("UNAUTHENTICATED", services.updates.SIGNED_OUT)
    async with asyncio.timeout(2):
        assert (await poll)[0] == 401


async def test_a_session_whose_time_is_over_ends_its_stream(server: TestServer) -> None:
    ana = await server.person()
    await server.running.resources.db.execute("update sessions set expires_at = now() + interval '0.3 seconds'")

    async def nothing() -> None:
        return None

    assert (await ended_with(server, ana, nothing))["code"] == "UNAUTHENTICATED"


async def test_streams_and_long_polls_of_one_caller_are_limited_together(start_server) -> None:
    server = await start_server(max_sockets_per_user=2)
    ana = await server.person()
    params, stream = {"topics": "posts"}, {"Accept": "text/event-stream"}
    async with server.http.get(server.url + EVENTS, params=params, headers=ana.headers | stream) as answer:
        assert answer.status == 200
        poll = asyncio.create_task(ask(server, ana.headers, topics="posts", wait="20"))
        await until(lambda: server.running.resources.budgets._sockets.total == 2)
        for accept in (stream, {}):
            status, _, problem = await ask(server, ana.headers | accept, topics="posts", wait="1")
            assert (status, problem["code"]) == (429, "TOO_MANY_OPERATIONS")
        assert (await ask(server, ana.headers, topics="posts"))[0] == 200  # a short poll keeps nothing
        await ana.post()
        assert (await poll)[0] == 200
    await until(lambda: not server.running.resources.budgets._sockets.total)


async def test_events_cost_their_listener_points(start_server) -> None:
    server = await start_server(anonymous_points=40, anonymous_points_per_s=20)
    ana = await server.person()
    start = await head(server)
    ids = [await ana.post(str(number)) for number in range(30)]
    stream = asyncio.create_task(first(30, sse(listening(server), start)))
    assert [event.id for event in await stream] == ids
    answers = [await ask(server, topics="posts", after=start) for _ in range(3)]
    status, headers, problem = answers[-1]
    assert (status, problem["code"]) == (429, "THROTTLED")
    assert int(headers["Retry-After"]) >= 1


async def test_short_and_long_polls_meet_in_the_middle(server: TestServer) -> None:
    """A client may change its way of listening at any cursor."""
    ana = await server.person()
    start = await head(server)
    ids = [await ana.post(str(number)) for number in range(9)]
    after, seen = start, []
    for way in (short_poll, sse, long_poll):
        events = await first(3, way(listening(server), after))
        after = events[-1].cursor
        seen += [event.id for event in events]
    assert seen == ids


async def test_deliveries_replays_gaps_and_the_relay_are_measured(server: TestServer) -> None:
    ana, who = await server.person(), listening(server)
    start = await head(server)
    for number in range(2):
        await ana.post(str(number))
    await head(server)
    for way in REST_WAYS:
        await first(2, way(who, start))
    await first(1, sse(who, "1-1"))
    async with server.http.get(f"{server.url}/metrics") as response:
        lines = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if not line.startswith("#"))
    for name in ("sse", "long_poll", "short_poll"):
        assert float(lines[f'feedgraph_event_deliveries_total{{way="{name}"}}']) == 2
    assert float(lines['feedgraph_event_replays_total{way="sse"}']) == 2
    assert float(lines['feedgraph_event_gaps_total{way="sse"}']) == 1
    assert float(lines["feedgraph_log_position"]) == 2
    assert float(lines["feedgraph_relay_leads"]) == 1
    assert 0 < float(lines["feedgraph_relay_lag_seconds"]) < 60
    requests = 'feedgraph_request_duration_seconds_count{face="rest",status="200"}'
    assert float(lines[requests]) == 1  # the short poll: waiting and streams are no latency


async def test_a_job_is_told_to_its_owner_alone(server: TestServer) -> None:
    ana, bob = await server.person(), await server.person()
    start = await head(server)
    export = "mutation { requestExport { job { id } } }"
    id_ = (await ana.graphql(export)).data["requestExport"]["job"]["id"]
    topic = f"job:{id_}"
    for person, code in ((None, "UNAUTHENTICATED"), (bob, "NOT_FOUND")):
        assert (await ask(server, person.headers if person else None, topics=topic, after="x"))[2]["code"] == code

    _, _, body = await ask(server, ana.headers, topics=topic, after=start, wait="10")
    told = body["events"][0]
    assert list(told) == [*KEYS[:4], "job"]
    assert (told["type"], told["topics"], told["job"]["jobId"]) == ("job.updated", [topic], id_)
    async with server.http.get(
        server.url + EVENTS, params={"topics": topic, "after": start}, headers=STREAM | ana.headers
    ) as answer:
        stream = frames(answer)
        await anext(stream)
        frame = await anext(stream)
    assert (frame.fields["event"], json.loads(frame.fields["data"])["cursor"]) == ("job.updated", told["cursor"])
