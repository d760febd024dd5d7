"""Which form of answer a caller gets: the Accept header with its weights, and GraphiQL only for browsers."""

from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.transports import web
from app.transports.graphql.negotiation import best_type
from tests.clients import TestServer
from tests.transports.graphql.wire import NEW_TYPE, OLD_TYPE, ask, assert_refused, send

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

CHOICES = {
    None: OLD_TYPE,
    "": OLD_TYPE,
    "*/*": OLD_TYPE,
    "application/*": OLD_TYPE,
    NEW_TYPE: NEW_TYPE,
    OLD_TYPE: OLD_TYPE,
    f"{NEW_TYPE}, {OLD_TYPE}": OLD_TYPE,
    f"{NEW_TYPE}; charset=utf-8, {OLD_TYPE}; charset=utf-8; q=0.9": NEW_TYPE,
    f"{NEW_TYPE};q=0.5, {OLD_TYPE};q=0.6": OLD_TYPE,
    f"{OLD_TYPE};q=0, */*": NEW_TYPE,
    f"{OLD_TYPE};q=0.1, application/*;q=0.9": NEW_TYPE,
    f"text/event-stream, {NEW_TYPE};q=0.2": NEW_TYPE,
    "APPLICATION/GRAPHQL-RESPONSE+JSON": NEW_TYPE,
    f"{NEW_TYPE};Q=0.3, text/plain": NEW_TYPE,
    ",,": None,
    "text/html": None,
    "application/xml, text/plain;q=0.5": None,
    "*/*;q=0": None,
    f"{NEW_TYPE};q=0, {OLD_TYPE};q=0.0": None,
    f"{OLD_TYPE};q=high": None,
}


@pytest.mark.parametrize("accept", CHOICES)
async def test_the_accept_header_chooses_the_type_of_the_answer(server: TestServer, accept: str | None):
    answer = await ask(server, {"query": "{ __typename }"}, accept=accept)
    if CHOICES[accept] is None:
        assert_refused(answer, 406, "NOT_ACCEPTABLE")
    else:
        assert (answer.status, answer.media_type) == (200, CHOICES[accept])


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.text(max_size=60) | st.lists(st.sampled_from([*"*/;=,q. 01", NEW_TYPE, "nan", "inf"]), max_size=12).map("".join))
def test_no_accept_header_confuses_the_choice(accept: str):
    assert best_type(accept, (OLD_TYPE, NEW_TYPE)) in {OLD_TYPE, NEW_TYPE, None}


async def test_a_browser_that_opens_the_address_gets_graphiql(server: TestServer):
    answer = await send(server, method="GET", accept=BROWSER)
    assert answer.status == (200 if web.is_built() else 503)
    assert answer.media_type == ("text/html" if web.is_built() else "text/plain")
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("parameters", [{"query": "{ __typename }"}, {"query": ""}, {"extensions": "{}"}])
async def test_a_browser_that_asks_a_query_gets_no_page(server: TestServer, parameters: dict[str, str]):
    answer = await send(server, method="GET", target="/graphql?" + urlencode(parameters), accept=BROWSER)
    assert answer.media_type == OLD_TYPE


@pytest.mark.parametrize("accept", ["*/*", None, OLD_TYPE, f"text/html;q=0.5, {OLD_TYPE}", "application/*"])
async def test_programs_never_get_the_page(server: TestServer, accept: str | None):
    assert_refused(await send(server, method="GET", accept=accept), 400, "BAD_REQUEST")


async def test_a_post_that_accepts_only_html_is_406(server: TestServer):
    assert_refused(await ask(server, {"query": "{ __typename }"}, accept="text/html"), 406, "NOT_ACCEPTABLE")


async def test_production_shows_no_graphiql_unless_it_is_switched_on(start_server):
    closed = await start_server(env="production")
    answer = await send(closed, method="GET", accept="text/html")
    assert_refused(answer, 406, "NOT_ACCEPTABLE")
    opened = await start_server(env="production", graphiql=True)
    assert "content-security-policy" in (await send(opened, method="GET", accept="text/html")).headers
