"""The graphql-transport-ws protocol without a socket: scripts of messages in, actions out, and no text that breaks it."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.transports.realtime.graphql_transport_ws import (
    LONGEST_ID,
    Action,
    Close,
    Initialise,
    Protocol,
    Send,
    Start,
    State,
    Stop,
)

INIT = {"type": "connection_init"}
PAYLOAD = {"query": "{ __typename }"}
FUZZ = settings(deadline=None, derandomize=True, max_examples=300)


def subscribe(id_: Any = "1", payload: Any = PAYLOAD) -> dict[str, Any]:
    return {"type": "subscribe", "id": id_, "payload": payload}


def say(protocol: Protocol, message: Any) -> Action | None:
    return protocol.receive(json.dumps(message))


@pytest.fixture
def ready() -> Protocol:
    """A connection that is acknowledged."""
    protocol = Protocol()
    say(protocol, INIT)
    protocol.acknowledge({})
    return protocol


@pytest.mark.parametrize(("payload", "given_"), [({}, {}), ({"payload": None}, {}), ({"payload": {"a": 1}}, {"a": 1})])
def test_init_hands_on_its_payload_and_null_is_none(payload: dict[str, Any], given_: dict[str, Any]):
    assert say(Protocol(), INIT | payload) == Initialise(given_)


@pytest.mark.parametrize("payload", [[], "token", 5, True, False, 0, ""])
def test_an_init_payload_that_is_no_object_is_malformed(payload: Any):
    action = say(Protocol(), INIT | {"payload": payload})
    assert isinstance(action, Close)
    assert action.code == 4400


def test_the_acknowledgement_carries_its_payload_and_opens_the_door():
    protocol = Protocol()
    say(protocol, INIT)
    assert json.loads(protocol.acknowledge({"cursor": "1-2"})) == {"type": "connection_ack", "payload": {"cursor": "1-2"}}
    assert protocol.state is State.ACKNOWLEDGED
    assert say(protocol, subscribe()) == Start("1", PAYLOAD)


def test_a_second_init_closes_with_4429_before_and_after_the_acknowledgement(ready: Protocol):
    waiting = Protocol()
    say(waiting, INIT)
    for protocol in (waiting, ready):
        action = say(protocol, INIT)
        assert isinstance(action, Close)
        assert action.code == 4429


def test_a_subscribe_before_the_acknowledgement_closes_with_4401():
    fresh, waiting = Protocol(), Protocol()
    say(waiting, INIT)
    for protocol in (fresh, waiting):
        action = say(protocol, subscribe())
        assert isinstance(action, Close)
        assert action.code == 4401
        assert not protocol.running


def test_an_id_in_use_closes_with_4409_and_a_free_one_starts(ready: Protocol):
    assert say(ready, subscribe("a")) == Start("a", PAYLOAD)
    assert say(ready, subscribe("b")) == Start("b", PAYLOAD)
    action = say(ready, subscribe("a"))
    assert isinstance(action, Close)
    assert action.code == 4409


def test_an_id_is_free_again_after_each_way_to_end(ready: Protocol):
    for end in (lambda: ready.complete("a"), lambda: ready.error("a", []), lambda: say(ready, {"type": "complete", "id": "a"})):
        assert isinstance(say(ready, subscribe("a")), Start)
        end()
        assert ready.running == set()


def test_complete_stops_what_runs_and_is_nothing_for_what_does_not(ready: Protocol):
    say(ready, subscribe("a"))
    assert say(ready, {"type": "complete", "id": "a"}) == Stop("a")
    assert say(ready, {"type": "complete", "id": "a"}) is None
    assert say(ready, {"type": "complete", "id": "never"}) is None


def test_ping_is_answered_at_any_time_and_pong_by_silence(ready: Protocol):
    for protocol in (Protocol(), ready):
        for payload in ({}, {"payload": None}, {"payload": {"at": 1}}):
            action = say(protocol, {"type": "ping"} | payload)
            assert isinstance(action, Send)
            assert json.loads(action.message) == {"type": "pong"}
            assert say(protocol, {"type": "pong"} | payload) is None


def test_results_errors_and_ends_carry_the_id(ready: Protocol):
    say(ready, subscribe("a"))
    assert json.loads(ready.next("a", {"data": None})) == {"type": "next", "id": "a", "payload": {"data": None}}
    assert json.loads(ready.error("a", [{"message": "m"}])) == {"type": "error", "id": "a", "payload": [{"message": "m"}]}
    assert json.loads(ready.complete("a")) == {"type": "complete", "id": "a"}


NO_OBJECTS: list[Any] = ["{}", [], 1, False, ""]
NO_TEXTS: list[Any] = [1, [], {}, False]
MALFORMED: list[Any] = [
    5, None, True, "connection_init", [], [INIT], {}, {"type": None}, {"type": 5}, {"type": ["ping"]}, {"type": {"a": 1}},
    {"type": ""}, {"type": "start"}, {"type": "connection_terminate"}, {"type": "connection_ack"}, {"type": "next", "id": "1"},
    {"type": "ping", "payload": []}, {"type": "ping", "payload": "x"}, {"type": "pong", "payload": 1},
    {"type": "subscribe"}, subscribe(None), subscribe(""), subscribe(1), subscribe(["1"]), subscribe({"a": 1}), subscribe(True),
    subscribe("x" * (LONGEST_ID + 1)), subscribe(payload=None), subscribe(payload="{ a }"), subscribe(payload=[]),
    subscribe(payload=5), subscribe(payload={}), subscribe(payload={"query": None}), subscribe(payload={"query": 5}),
    subscribe(payload={"query": ["a"]}),
    *[subscribe(payload=PAYLOAD | {"variables": value}) for value in NO_OBJECTS],
    *[subscribe(payload=PAYLOAD | {"extensions": value}) for value in NO_OBJECTS],
    *[subscribe(payload=PAYLOAD | {"operationName": value}) for value in NO_TEXTS],
    {"type": "complete"}, {"type": "complete", "id": 5}, {"type": "complete", "id": ""}, {"type": "complete", "id": ["1"]},
]  # fmt: skip


@pytest.mark.parametrize("message", MALFORMED, ids=[json.dumps(message)[:60] for message in MALFORMED])
def test_messages_of_another_form_close_with_4400_and_a_short_reason(ready: Protocol, message: Any):
    action = say(ready, message)
    assert isinstance(action, Close)
    assert action.code == 4400
    assert 0 < len(action.reason.encode()) <= 123
    assert not ready.running


@pytest.mark.parametrize(
    "text", ["", "{", "nonsense", "[" * 100_000, '{"a":' * 50_000, "9" * 5_000, "\ud800", '{"type":"\\ud800"}', "\0", "NaN"]
)
def test_text_that_is_no_json_closes_with_4400(ready: Protocol, text: str):
    action = ready.receive(text)
    assert isinstance(action, Close)
    assert action.code == 4400


@pytest.mark.parametrize(
    "extra", [{}, {"variables": None}, {"extensions": None, "operationName": None}, {"variables": {}, "more": 1}]
)
def test_optional_parts_of_a_subscribe_may_be_null_or_absent(ready: Protocol, extra: dict[str, Any]):
    assert say(ready, subscribe(payload=PAYLOAD | extra)) == Start("1", PAYLOAD | extra)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(["connection_init", "subscribe", "complete", "ping", "pong", "next", "error"]) | JSON_VALUES
MESSAGES = st.fixed_dictionaries(
    {"type": TYPES},
    optional={"id": st.sampled_from("ab") | JSON_VALUES, "payload": JSON_VALUES | st.fixed_dictionaries({"query": JSON_VALUES})},
)


@FUZZ
@given(st.lists(st.text(max_size=40) | (JSON_VALUES | MESSAGES).map(json.dumps), max_size=12), st.booleans())
def test_no_text_raises_and_each_gives_an_action_or_none(texts: list[str], acknowledged: bool):
    protocol = Protocol()
    if acknowledged:
        say(protocol, INIT)
        protocol.acknowledge({})
    for text in texts:
        action = protocol.receive(text)
        assert action is None or isinstance(action, get_args(Action))
        if isinstance(action, Close):
            assert 4400 <= action.code < 4500
            assert len(action.reason.encode()) <= 123
            return


STEPS = st.lists(
    st.tuples(st.sampled_from(["subscribe", "stop", "next", "complete", "error", "ping"]), st.sampled_from("abc")), max_size=40
)


@FUZZ
@given(STEPS)
def test_in_every_valid_course_ids_run_once_and_nothing_follows_their_end(steps: list[tuple[str, str]]):
    protocol = Protocol()
    assert isinstance(say(protocol, INIT), Initialise)
    protocol.acknowledge({})
    running: set[str] = set()
    for step, id_ in steps:
        if step == "subscribe" and id_ not in running:
            assert say(protocol, subscribe(id_)) == Start(id_, PAYLOAD)
            running.add(id_)
        elif step == "stop":
            assert say(protocol, {"type": "complete", "id": id_}) == (Stop(id_) if id_ in running else None)
            running.discard(id_)
        elif step == "ping":
            assert isinstance(say(protocol, {"type": "ping"}), Send)
        elif id_ in running and step in {"complete", "error"}:
            message = protocol.complete(id_) if step == "complete" else protocol.error(id_, [])
            assert json.loads(message)["id"] == id_
            running.discard(id_)
        assert protocol.running == running
