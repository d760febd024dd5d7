"""Bodies that no client of ours sends: each gets a coded answer, none a 5xx, none breaks the connection."""

import asyncio
import gzip
import json
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clients import TestServer
from tests.transports.graphql.wire import NEW_TYPE, ask, assert_refused, connected, read_answer, send

FUZZ = settings(deadline=None, derandomize=True, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
HELLO = b'{"query": "{ __typename }"}'

ODD_BYTES = {
    "nothing": b"",
    "not JSON": b"query { __typename }",
    "half of JSON": b'{"query": "{ __typ',
    "a trailing comma": b'{"query": "{ __typename }",}',
    "two values": HELLO + HELLO,
    "not UTF-8": b'{"query": "\xff\xfe"}',
    "a surrogate in UTF-8": b'{"query": "\xed\xa0\x80"}',
    "UTF-16": HELLO.decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + HELLO,
    "NaN": b'{"query": "{ __typename }", "variables": {"a": NaN}}',
    "100,000 brackets": b"[" * 100_000,
    "100,000 braces": b'{"a":' * 40_000,
    "closed brackets": b"[" * 50_000 + b"]" * 50_000,
    "a lone surrogate as query": b'{"query": "\\ud800"}',
    "a lone surrogate as name": b'{"query": "{ __typename }", "operationName": "\\ud800"}',
    "a lone surrogate as variable": b'{"query": "{ __typename }", "variables": {"a": "\\udfff"}}',
    "an integer of 5,000 digits as variables": b'{"query": "{ __typename }", "variables": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("case", ODD_BYTES)
async def test_bytes_that_are_no_request_are_400(server: TestServer, case: str):
    assert_refused(await send(server, ODD_BYTES[case], accept=NEW_TYPE), 400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("value", "code"),
    [("9" * 5000, "BAD_REQUEST"), ("1e400", "BAD_REQUEST"), ("-1", "BAD_USER_INPUT"), ("0.5", "BAD_USER_INPUT"),
     ("null", "BAD_USER_INPUT")],
)  # fmt: skip
async def test_odd_numbers_as_ids_are_refused_in_words(server: TestServer, value: str, code: str):
    query = b'{"query": "query($id: ID) { user(id: $id, username: null) { id } }", "variables": {"id": %s}}' % value.encode()
    answer = await send(server, query, accept=NEW_TYPE)
    assert answer.status in {200, 400}
    assert answer.codes == [code]
    assert len(answer.body) < 1_000


@pytest.mark.parametrize("text", ["\0", "a\0b", "\u202e", "￿", "\x7f"])
async def test_control_characters_are_answered_wherever_they_stand(server: TestServer, text: str):
    person = await server.person()
    for request in (
        {"query": text},
        {"query": "{ __typename }", "operationName": text},
        {"query": "{ __typename }", "variables": {text: text}},
        {"query": "query($u: String) { user(username: $u) { id } }", "variables": {"u": text}},
        {"query": "query($i: ID) { user(id: $i) { id } }", "variables": {"i": text}},
        {"query": "query($c: Cursor) { latestPosts(after: $c) { nodes { id } } }", "variables": {"c": text}},
        {"query": "mutation($c: String!) { createPost(input: {content: $c}) { post { id } } }", "variables": {"c": text}},
    ):
        answer = await ask(server, request, authorization=f"Bearer {person.token}")
        assert answer.status in {200, 400}, request
        assert "INTERNAL_SERVER_ERROR" not in answer.codes, request


async def test_a_gzipped_or_deflated_body_is_read(server: TestServer):
    for encoding, body in (("gzip", gzip.compress(HELLO)), ("deflate", zlib.compress(HELLO)), ("identity", HELLO)):
        assert (await send(server, body, content_encoding=encoding)).json == {"data": {"__typename": "Query"}}, encoding


@pytest.mark.parametrize("encoding", ["br", "zstd"])
async def test_encodings_that_the_http_parser_itself_refuses_are_answered(server: TestServer, encoding: str):
    answer = await send(server, HELLO, content_encoding=encoding, accept=NEW_TYPE)
    assert answer.status in {400, 415}


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_plain_bytes_with_the_label_of_a_packed_body_are_400(server: TestServer, encoding: str):
    assert_refused(await send(server, HELLO, content_encoding=encoding, accept=NEW_TYPE), 400, "BAD_REQUEST")


@pytest.mark.parametrize("encoding", ["compress", "rot13", "gzip, gzip"])
async def test_encodings_that_are_not_unpacked_are_415(server: TestServer, encoding: str):
    answer = await send(server, HELLO, content_encoding=encoding, accept=NEW_TYPE)
    assert_refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_packed_body_may_not_unpack_to_more_than_the_limit(server: TestServer):
    bomb = gzip.compress(b'{"query": "' + b" " * 50_000_000 + b'"}')
    assert len(bomb) < 256 * 1024
    answer = await send(server, bomb, content_encoding="gzip", accept=NEW_TYPE)
    assert answer.status in {400, 413}
    assert answer.codes[0] in {"BODY_TOO_LARGE", "BAD_REQUEST"}


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_300_kib_is_413_and_the_connection_closes(server: TestServer, chunked: bool):
    body = json.dumps({"query": "{ __typename }", "extensions": {"padding": "x" * 300 * 1024}}).encode()
    if chunked:
        packed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        answer = await send(server, packed, content_length=None, transfer_encoding="chunked", accept=NEW_TYPE)
    else:
        answer = await send(server, body, accept=NEW_TYPE)
    assert_refused(answer, 413, "BODY_TOO_LARGE")
    assert answer.headers["connection"] == "close"


async def test_a_body_that_stops_half_way_is_408(start_server):
    server = await start_server(body_timeout_s=0.3)
    answer = await send(server, b'{"query":', content_length="500", accept=NEW_TYPE)
    assert_refused(answer, 408, "REQUEST_TIMEOUT")
    assert answer.headers["connection"] == "close"


async def test_a_connection_that_never_sends_a_whole_head_is_closed(start_server):
    server = await start_server(head_timeout_s=0.5)
    for half in (b"", b"POST /graphql HTTP/1.1\r\nHost: x\r\nX-Slow: "):
        async with connected(server) as (reader, writer):
            writer.write(half)
            async with asyncio.timeout(10):
                assert b"200" not in await reader.read()  # the end of the stream, with or without a 408 ahead of it


async def test_a_kept_connection_goes_on_after_a_refused_body(server: TestServer):
    head = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    async with connected(server) as (reader, writer):
        for body, status in ((b"nonsense", 400), (HELLO, 200), (b"[" * 9_000, 400), (HELLO, 200)):
            writer.write(head.format(len(body)).encode() + body)
            assert (await read_answer(reader)).status == status


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.sampled_from(["{ __typename }", "query a($x: ID) { user(id: $x) { id } } query b { viewer { id } }", "{", "{ x }"])


@FUZZ
@given(
    st.fixed_dictionaries(
        {}, optional={"query": DOCUMENTS | JSON_VALUES, "variables": JSON_VALUES | st.dictionaries(st.just("x"), JSON_VALUES),
                      "operationName": st.sampled_from(["a", "b"]) | JSON_VALUES, "extensions": JSON_VALUES}
    ) | JSON_VALUES
)  # fmt: skip
async def test_no_json_value_gives_a_5xx(server: TestServer, request: object):
    answer = await send(server, json.dumps(request, ensure_ascii=True).encode(), accept=NEW_TYPE)
    assert answer.status in {200, 400}
    assert answer.status == 200 or ("data" not in answer.json and answer.codes)
    assert "INTERNAL_SERVER_ERROR" not in answer.codes


@FUZZ
@given(st.binary(max_size=200), st.sampled_from([None, "gzip", "deflate", "identity"]))
async def test_no_bytes_give_a_5xx(server: TestServer, body: bytes, encoding: str | None):
    answer = await send(server, body, accept=NEW_TYPE, content_encoding=encoding)
    assert answer.status == 400
    if answer.media_type != "text/plain":  # the HTTP parser speaks where it cannot even begin to unpack
        assert answer.codes == ["BAD_REQUEST"]
