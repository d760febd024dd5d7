"""Requests made to keep a server busy are refused, with work that grows no faster than their text."""

import sys
from typing import Any

import pytest
from graphql.execution.values import VariableValues

from app.settings import Settings
from app.transports.graphql.admission import largest_size, refusal_of
from app.transports.graphql.documents import Document, Documents, Refusal
from app.transports.graphql.schema import core_schema
from tests.conftest import make_settings
from tests.transports.graphql.hostile import HOSTILE, aliases, bomb, brackets, pages
from tests.transports.graphql.wire import NEW_TYPE, assert_refused, send


async def test_hostile_requests_are_refused_with_their_codes_and_read_nothing(server):
    for name, (body, status, code) in HOSTILE.items():
        answer = await send(server, body(0), accept=NEW_TYPE, feedgraph_counts="1")
        assert_refused(answer, status, code)
        assert answer.json["extensions"]["counts"]["statements"] == 0, name
    refused = {key[0]: count for key, count in server.running.resources.metrics.refusals.counts.items()}
    assert sum(refused.values()) == len(HOSTILE)


def calls_of(work: Any) -> tuple[int, Any]:
    """Return how many calls, of Python and of C, the work takes, and what it gives."""
    counted = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        result = work()
    finally:
        sys.setprofile(None)
    return counted, result


def judged(text: str, settings: Settings) -> str:
    """Return the code with which the text is refused, as far as that is known before anything is paid or read."""
    document = Documents(core_schema(), settings).get(text)
    if isinstance(document, Document):
        [operation] = document.operations.values()
        variables = operation.variables({}, hide_suggestions=False)
        assert isinstance(variables, VariableValues)
        formula = operation.formula(variables, lambda: operation.executor(None, {}), largest_size=largest_size(settings))
        refusal = refusal_of(formula.estimate({}), settings)
        return refusal.code if refusal else ""
    assert isinstance(document, Refusal)
    return document.code


@pytest.mark.parametrize(
    ("_case", "small", "large", "times", "code"),
    [
        ("twice the levels of a bomb", bomb(24), bomb(48), 3, "MAX_RECURSIVE_SELECTIONS_EXCEEDED"),
        ("ten times the rows", pages(size=10), pages(size=100), 1.1, "NODE_LIMIT"),
        ("ten times the aliases", aliases(1_000), aliases(10_000), 1.1, "TOKEN_LIMIT"),
        ("five times the brackets", brackets(200_000), brackets(1_000_000), 1.1, "DEPTH_LIMIT"),
    ],
)
def test_the_work_of_a_refusal_grows_no_faster_than_the_text(_case, small, large, times, code):
    settings = make_settings()
    judged("{ __typename }", settings)  # what is made at the first use
    calls_small, _ = calls_of(lambda: judged(small, settings))
    calls_large, found = calls_of(lambda: judged(large, settings))
    assert found == code
    assert calls_small > 100
    assert calls_large <= times * calls_small + 1_000
    assert calls_large < 150_000  # some dozens of milliseconds
