"""Requests as bytes on a socket of our own: what no well-behaved client sends, and what comes back to the byte."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.clients import TestServer

NEW_TYPE = "application/graphql-response+json"
OLD_TYPE = "application/json"
PATIENCE_S = 20


@dataclass(frozen=True)
class RawAnswer:
    """A response; header names in lower case, each with its last value."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0]

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        """The code of each error; a body that is no GraphQL response fails here."""
        return [error["extensions"]["code"] for error in self.json.get("errors", [])]


@asynccontextmanager
async def connected(server: TestServer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Give a connection that speaks only what it is told to."""
    address = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**22)
    try:
        yield reader, writer
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader, *, head_only: bool = False) -> RawAnswer:
    """Read one response; the server's silence for PATIENCE_S seconds is a failure."""
    async with asyncio.timeout(PATIENCE_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = 0 if head_only else int(headers.get("content-length", "0"))
        return RawAnswer(int(status_line.split(" ")[1]), headers, await reader.readexactly(length))


async def send_raw(server: TestServer, request: bytes) -> RawAnswer:
    """Send these bytes on a new connection; return the answer."""
    async with connected(server) as (reader, writer):
        writer.write(request)
        return await read_answer(reader, head_only=request.startswith(b"HEAD"))


async def send(
    server: TestServer, body: bytes = b"", *, method: str = "POST", target: str = "/graphql", **headers: str | None
) -> RawAnswer:
    """Send a request with these headers (content_type="…" is Content-Type; None leaves a default one out)."""
    sent: dict[str, str | None] = {"host": urlsplit(server.url).netloc, "content-length": str(len(body))}
    if method == "POST":
        sent["content-type"] = OLD_TYPE
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items() if value is not None)]
    return await send_raw(server, "\r\n".join([*lines, "", ""]).encode("utf-8") + body)


async def ask(server: TestServer, request: object, *, accept: str | None = NEW_TYPE, **headers: str | None) -> RawAnswer:
    """Send a value as a JSON body."""
    return await send(server, json.dumps(request).encode(), method="POST", target="/graphql", accept=accept, **headers)


def assert_refused(answer: RawAnswer, status: int, code: str) -> None:
    """Check that an answer is a refusal in GraphQL's form: errors with codes, and no data entry."""
    assert (answer.status, answer.codes[:1]) == (status, [code]), (answer.status, answer.body[:400])
    assert "data" not in answer.json
    assert answer.media_type in {NEW_TYPE, OLD_TYPE}
    assert all(0 < len(error["message"]) < 400 for error in answer.json["errors"])
