"""Clients of a server under test."""

import asyncio
import itertools
import json
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from app.domain.models import Viewer
from app.services.context import RequestContext
from app.wiring import Running

_names = itertools.count(1)


@dataclass
class Answer:
    """A GraphQL response over HTTP."""

    status: int
    headers: Any
    body: dict[str, Any]

    @property
    def data(self) -> Any:
        """The data of an answer that must have no errors."""
        assert "errors" not in self.body, self.body["errors"]
        return self.body["data"]

    @property
    def codes(self) -> list[str]:
        """The codes of the errors, in order."""
        return [error["extensions"]["code"] for error in self.body.get("errors", [])]


@dataclass
class Person:
    """Somebody with an account and a session."""

    server: "TestServer"
    id: str
    username: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """What signs a request in."""
        return {"Authorization": f"Bearer {self.token}"}

    async def graphql(self, query: str, **variables: Any) -> Answer:
        """Ask as this person."""
        return await self.server.graphql(query, variables, headers=self.headers)

    async def post(self, content: str = "Hello", **fields: Any) -> str:
        """Write a post; return its id."""
        answer = await self.graphql(
            "mutation($input: CreatePostInput!) { createPost(input: $input) { post { id } } }",
            input={"content": content, **fields},
        )
        return answer.data["createPost"]["post"]["id"]

    async def follow(self, other: "Person") -> None:
        """Follow another person."""
        (await self.graphql("mutation($id: ID!) { followUser(id: $id) { user { id } } }", id=other.id)).data  # noqa: B018


@dataclass
class TestServer:
    """A running server and an HTTP client for it."""

    __test__ = False  # not a test, whatever pytest makes of its name

    url: str
    running: Running
    http: aiohttp.ClientSession

    @property
    def ws_url(self) -> str:
        """Where sockets open."""
        return self.url.replace("http", "ws", 1) + "/graphql"

    async def graphql(
        self, query: str, variables: dict[str, Any] | None = None, *, headers: dict[str, str] | None = None, **more: Any
    ) -> Answer:
        """Send a POST with the newer media type; return the answer."""
        body = {"query": query, "variables": variables or {}, **more}
        sent = {"Accept": "application/graphql-response+json", **(headers or {})}
        async with self.http.post(f"{self.url}/graphql", json=body, headers=sent) as response:
            return Answer(response.status, response.headers, json.loads(await response.read()))

    async def person(self, name: str | None = None) -> Person:
        """Sign somebody up. The session is made by SQL: passwords cost time, and have tests of their own."""
        username = name or f"person{next(_names)}"
        resources = self.running.resources
        id_ = await resources.db.fetchval(
            "insert into users (username, name) values ($1, $2) returning id", username, username.title()
        )
        token = f"token-of-{username}"
        await resources.db.execute(
            "insert into sessions (user_id, token_hash, expires_at) values ($1, sha256($2::bytea), now() + interval '1 day')",
            id_,
            token.encode(),
        )
        return Person(self, str(id_), username, token)

    async def context(self, person: Person | None = None) -> RequestContext:
        """Return a request's context, to call services as this person."""
        resources = self.running.resources
        if person is None:
            return RequestContext(resources)
        row = await resources.db.fetchrow(
            "select user_id, id, expires_at from sessions where user_id = $1 order by id limit 1", int(person.id)
        )
        assert row is not None
        return RequestContext(resources, Viewer(*row))

    async def socket(self, token: str | None = None, *, init: dict[str, Any] | None = None) -> "Socket":
        """Open a socket and have it acknowledged."""
        socket = await Socket.open(self)
        payload = init if init is not None else ({"Authorization": f"Bearer {token}"} if token else {})
        await socket.send({"type": "connection_init", "payload": payload})
        socket.ack = await socket.receive()
        assert socket.ack["type"] == "connection_ack", socket.ack
        return socket


@dataclass
class Socket:
    """A client of graphql-transport-ws."""

    ws: aiohttp.ClientWebSocketResponse
    ack: dict[str, Any] = field(default_factory=dict)

    @classmethod
    async def open(cls, server: TestServer, **kwargs: Any) -> Self:
        """Connect without saying anything."""
        kwargs = {"protocols": ("graphql-transport-ws",), **kwargs}
        return cls(await server.http.ws_connect(server.ws_url, **kwargs))

    async def send(self, message: Any) -> None:
        """Send a message as JSON."""
        await self.ws.send_str(json.dumps(message))

    async def subscribe(self, query: str, id_: str = "1", **variables: Any) -> None:
        """Start an operation."""
        await self.send({"type": "subscribe", "id": id_, "payload": {"query": query, "variables": variables}})

    async def receive(self, timeout_s: float = 10) -> dict[str, Any]:
        """Return the next message.

        Raises:
            ConnectionError: the socket closed instead; `close_code` tells why.
        """
        async with asyncio.timeout(timeout_s):
            message = await self.ws.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError(f"closed with {self.ws.close_code}: {message.extra}")
        return dict(json.loads(message.data))

    async def closed(self, timeout_s: float = 10) -> tuple[int | None, str]:
        """Wait until the server closes the socket; return code and reason."""
        async with asyncio.timeout(timeout_s):
            while True:
                message = await self.ws.receive()
                if message.type is aiohttp.WSMsgType.CLOSE:
                    # `close_code` is another where the server, tired of waiting, has not taken the client's own goodbye.
                    return message.data, str(message.extra or "")
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return self.ws.close_code, ""

    async def close(self) -> None:
        """Close from this side."""
        await self.ws.close()
