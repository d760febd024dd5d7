"""The wire under the clients: HTTP requests whose bytes, requests and statements are counted."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import orjson
from yarl import URL

COUNTS_HEADER = "Feedgraph-Counts"
REST_PREFIX = "/api/v1"
CONNECTIONS = 6  # as many as browsers open to one server over HTTP/1.1
REQUEST_TIMEOUT_S = 30


class CannotMeasure(Exception):
    """There is nothing to measure, or what was measured is worth nothing; the text is one sentence for the person who asked."""


@dataclass(slots=True)
class Traffic:
    """What went over a client's connections, both directions together where nothing else is said."""

    requests: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    body_bytes: int = 0  # of responses, decoded
    statements: int = 0
    rows: int = 0

    @property
    def wire_bytes(self) -> int:
        """Everything in both directions: request lines, status lines, headers, framing and bodies."""
        return self.sent_bytes + self.received_bytes


class Wire:
    """One client's connections to the server. `traffic` may be replaced at any time to count anew.

    Raises from every request:
        CannotMeasure: the server cannot be reached, or its answer is not the one that was asked for.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url
        self.token: str | None = None
        self.asks_counts = False
        self.traffic = Traffic()

    async def get(self, path: str) -> Any:
        """Return the resource at a path behind the REST prefix."""
        response, body = await self.exchange("GET", REST_PREFIX + path, None)
        if response.status != 200:
            raise CannotMeasure(f"{self.url}{REST_PREFIX}{path} answered {response.status}: {complaint_in(body)}.")
        return decoded(body, self.url)

    async def graphql(self, query: str, variables: dict[str, Any]) -> Any:
        """Return the data of one GraphQL request."""
        response, body = await self.exchange("POST", "/graphql", orjson.dumps({"query": query, "variables": variables}))
        answer = decoded(body, self.url)
        if not isinstance(answer, dict) or response.status != 200 or "errors" in answer or "data" not in answer:
            raise CannotMeasure(f"{self.url}/graphql answered {response.status}: {complaint_in(body)}.")
        return answer["data"]

    async def exchange(
        self, method: str, path: str, body: bytes | None, *, accept: str = "application/json"
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send one request; return the response and its whole body, whatever the status is."""
        headers = {"Accept": accept} | ({"Content-Type": "application/json"} if body is not None else {})
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.asks_counts:
            headers[COUNTS_HEADER] = "1"
        address = URL(self.url + path, encoded=True)
        try:
            async with self._session.request(method, address, data=body, headers=headers, allow_redirects=False) as response:
                answer = await response.read()
        except TimeoutError as error:
            raise CannotMeasure(f"{self.url} did not answer within {REQUEST_TIMEOUT_S} seconds.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CannotMeasure(
                f"{self.url} cannot be reached: {reason_of(error)}. Start the server or give another --url."
            ) from error
        self._count(response, answer)
        return response, answer

    def _count(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        counts = counts_in(response.headers.get(COUNTS_HEADER, ""))
        self.traffic.requests += 1
        self.traffic.body_bytes += len(body)
        self.traffic.statements += counts.get("statements", 0)
        self.traffic.rows += counts.get("rows", 0)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Wire]:
    """Give a wire to the server whose address is `url` (http://host:port); its connections are kept open until the end.

    Raises:
        CannotMeasure: that is no address of a server.
    """
    refuse_no_address(url)
    wire: Wire

    def counting_socket(address: tuple[Any, ...]) -> socket.socket:
        family, type_, protocol = address[:3]
        return CountingSocket(wire, family, type_, protocol)

    connector = aiohttp.TCPConnector(limit=CONNECTIONS, socket_factory=counting_socket)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
        headers={"User-Agent": "feedgraph-bench"},
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        wire = Wire(session, url.rstrip("/"))
        yield wire


def reason_of(error: Exception) -> str:
    """Return why a request did not get through, in the system's words where it has some."""
    if not isinstance(error, aiohttp.ClientConnectorError):
        return str(error) or type(error).__name__
    number = error.os_error.errno
    return os.strerror(number) if number and number > 0 else str(error.os_error.strerror)  # looking names up has numbers below 0


def refuse_no_address(url: str) -> None:
    """Refuse what can be no server's address, before anybody wonders why it cannot be reached.

    Raises:
        CannotMeasure: it is not of the form http://host:port.
    """
    try:
        parts = URL(url)
        fits = parts.scheme in {"http", "https"} and bool(parts.host) and not parts.query_string and not parts.fragment
    except ValueError:
        fits = False
    if not fits:
        raise CannotMeasure(f"{url!r} is not the address of a server: give one such as http://127.0.0.1:8000.")


class Counted(Protocol):
    """Whoever wants to know what went over its connections."""

    traffic: Traffic


class CountingSocket(socket.socket):
    """A socket that adds what passes to its wire's traffic. asyncio's own event loops read and write through these methods."""

    def __init__(self, wire: Counted, family: int, type_: int, protocol: int) -> None:
        super().__init__(family, type_, protocol)
        self._wire = wire

    def send(self, *args: Any) -> int:
        """Send, and count what was taken."""
        size = super().send(*args)
        self._wire.traffic.sent_bytes += size
        return size

    def sendmsg(self, *args: Any) -> int:
        """Send several buffers, and count what was taken."""
        size = super().sendmsg(*args)
        self._wire.traffic.sent_bytes += size
        return size

    def recv(self, *args: Any) -> bytes:
        """Receive, and count what came."""
        received = super().recv(*args)
        self._wire.traffic.received_bytes += len(received)
        return received

    def recv_into(self, *args: Any) -> int:
        """Receive into a buffer, and count what came."""
        size = super().recv_into(*args)
        self._wire.traffic.received_bytes += size
        return size


def counts_in(header: str) -> dict[str, int]:
    """Return the numbers of a counts header: `statements=2, rows=21` and so on."""
    pairs = (part.strip().partition("=") for part in header.split(","))
    return {name: int(value) for name, _, value in pairs if value.isdecimal()}


def decoded(body: bytes, url: str) -> Any:
    """Return a JSON body's value.

    Raises:
        CannotMeasure: it is not JSON.
    """
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise CannotMeasure(f"{url} is not a feedgraph server: its answer is not JSON.") from error


def complaint_in(body: bytes) -> str:
    """Return what an answer says is wrong, without its full stop: a problem's detail or GraphQL's first error."""
    try:
        answer = orjson.loads(body)
        message = answer["errors"][0]["message"] if "errors" in answer else answer["detail"]
    except (ValueError, KeyError, TypeError, IndexError):
        message = body[:100].decode(errors="replace") or "nothing"
    return str(message).rstrip(".")
