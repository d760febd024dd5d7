"""One small client interface, and the faces behind it."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from yarl import URL

from tests.clients import Person, Socket, TestServer
from tests.faces.grpc_client import GRPC
from tests.faces.rows import Page, Refused, Row
from tests.grpc_calls import connected

JOB = "id kind state done total attempts errorCode resultUrl createdAt finishedAt"
SHOWN_MEDIA = "media.url,media.thumbnailUrl,media.type,media.width,media.height,media.alt"
MEDIA = "id url thumbnailUrl type width height alt"
POST = "id title content createdAt editedAt author { id } inReplyTo { id } likesCount repliesCount repostsCount"
USER = "id username name bio avatarUrl createdAt followersCount followingCount postsCount"
ARGUMENTS = "$first: Int, $after: Cursor, $last: Int, $before: Cursor"
GIVEN = "first: $first, after: $after, last: $last, before: $before"
LINKS = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"


class Client(Protocol):
    """What every face can do. Rows have REST's keys; each method raises Refused."""

    async def write(self, content: Any, **fields: Any) -> Row: ...
    async def post(self, id_: str) -> Row: ...
    async def user(self, id_: str) -> Row: ...
    async def posts(self, user_id: str, **page: Any) -> Page: ...
    async def followers(self, user_id: str, **page: Any) -> Page: ...
    async def replies(self, post_id: str, **page: Any) -> Page: ...
    async def feed(self, **page: Any) -> Page: ...
    async def sign_up(self, **account: Any) -> tuple[str, Row]: ...
    async def sign_in(self, **credentials: Any) -> tuple[str, Row]: ...
    async def sign_out(self) -> None: ...
    async def edit(self, id_: str, **changes: Any) -> Row: ...
    async def delete(self, id_: str) -> None: ...
    async def like(self, id_: str, *, on: bool = True) -> Row: ...
    async def follow(self, id_: str, *, on: bool = True) -> Row: ...
    async def job(self, id_: str) -> Row: ...
    async def images(self, post_id: str) -> list[Row]: ...


def shown_post(node: Row) -> Row:
    """Return GraphQL's post with REST's keys."""
    post = {key: value for key, value in node.items() if key not in {"id", "author", "inReplyTo"}}
    answered = node["inReplyTo"]["id"] if node["inReplyTo"] else None
    return {"postId": node["id"], "authorId": node["author"]["id"], "inReplyToId": answered, **post}


def shown_user(node: Row) -> Row:
    """Return GraphQL's user with REST's keys."""
    return {"userId": node["id"], **{key: value for key, value in node.items() if key != "id"}}


class GraphQL(ABC):
    """The GraphQL face, over whatever carries its operations."""

    @abstractmethod
    async def send(self, query: str, variables: Row) -> Row:
        """Return the response's body."""

    async def data(self, query: str, **variables: Any) -> Any:
        """Return the data; a missing thing is refused as the other faces do."""
        body = await self.send(query, variables)
        if body.get("errors"):
            raise Refused(body["errors"][0]["extensions"]["code"])
        [value] = body["data"].values()
        if value is None:
            raise Refused("NOT_FOUND")
        return value

    async def write(self, content: Any, **fields: Any) -> Row:
        """Write a post."""
        query = f"mutation($input: CreatePostInput!) {{ createPost(input: $input) {{ post {{ {POST} }} }} }}"
        return shown_post((await self.data(query, input={"content": content, **fields}))["post"])

    async def post(self, id_: str) -> Row:
        """Read a post."""
        return shown_post(await self.data(f"query($id: ID!) {{ post(id: $id) {{ {POST} }} }}", id=id_))

    async def user(self, id_: str) -> Row:
        """Read a profile."""
        return shown_user(await self.data(f"query($id: ID!) {{ user(id: $id) {{ {USER} }} }}", id=id_))

    async def posts(self, user_id: str, **page: Any) -> Page:
        """Read a page of somebody's posts."""
        return await self._page("user", "postsConnection", user_id, page)

    async def followers(self, user_id: str, **page: Any) -> Page:
        """Read a page of somebody's followers."""
        return await self._page("user", "followers", user_id, page)

    async def replies(self, post_id: str, **page: Any) -> Page:
        """Read a page of a post's replies."""
        return await self._page("post", "repliesConnection", post_id, page)

    async def feed(self, **page: Any) -> Page:
        """Read a page of the home feed."""
        query = f"query({ARGUMENTS}) {{ feed({GIVEN}) {{ nodes {{ {POST} }} {LINKS} }} }}"
        return self._shown(await self.data(query, **page), shown_post)

    async def sign_up(self, **account: Any) -> tuple[str, Row]:
        """Make an account; return a token and the user."""
        return await self._session("signUp", "SignUpInput", account)

    async def sign_in(self, **credentials: Any) -> tuple[str, Row]:
        """Make a session; return its token and the user."""
        return await self._session("signIn", "SignInInput", credentials)

    async def sign_out(self) -> None:
        """End the session."""
        await self.data("mutation { signOut }")

    async def edit(self, id_: str, **changes: Any) -> Row:
        """Change a post."""
        query = f"mutation($input: EditPostInput!) {{ editPost(input: $input) {{ post {{ {POST} }} }} }}"
        return shown_post((await self.data(query, input={"id": id_, **changes}))["post"])

    async def delete(self, id_: str) -> None:
        """Delete a post."""
        await self.data("mutation($id: ID!) { deletePost(id: $id) { id } }", id=id_)

    async def like(self, id_: str, *, on: bool = True) -> Row:
        """Like a post, or take that back."""
        field = "likePost" if on else "unlikePost"
        return shown_post((await self.data(f"mutation($id: ID!) {{ {field}(id: $id) {{ post {{ {POST} }} }} }}", id=id_))["post"])

    async def follow(self, id_: str, *, on: bool = True) -> Row:
        """Follow somebody, or stop."""
        field = "followUser" if on else "unfollowUser"
        return shown_user((await self.data(f"mutation($id: ID!) {{ {field}(id: $id) {{ user {{ {USER} }} }} }}", id=id_))["user"])

    async def job(self, id_: str) -> Row:
        """Read a job."""
        node = await self.data(f"query($id: ID!) {{ job(id: $id) {{ {JOB} }} }}", id=id_)
        return {"jobId": node["id"], **{key: value for key, value in node.items() if key != "id"}}

    async def images(self, post_id: str) -> list[Row]:
        """Read a post's images."""
        post = await self.data(f"query($id: ID!) {{ post(id: $id) {{ media {{ {MEDIA} }} }} }}", id=post_id)
        return [{"mediaId": node.pop("id"), **node} for node in post["media"]]

    async def _session(self, field: str, type_: str, values: Row) -> tuple[str, Row]:
        query = f"mutation($input: {type_}!) {{ {field}(input: $input) {{ token user {{ {USER} }} }} }}"
        session = await self.data(query, input=values)
        return session["token"], shown_user(session["user"])

    async def _page(self, root: str, field: str, id_: str, page: Row) -> Page:
        nodes, show = (USER, shown_user) if field == "followers" else (POST, shown_post)
        inner = f"{field}({GIVEN}) {{ nodes {{ {nodes} }} {LINKS} }}"
        query = f"query($id: ID!, {ARGUMENTS}) {{ {root}(id: $id) {{ {inner} }} }}"
        return self._shown((await self.data(query, id=id_, **page))[field], show)

    def _shown(self, connection: Row, show: Any) -> Page:
        info = connection["pageInfo"]
        return Page(
            [show(node) for node in connection["nodes"]],
            info["endCursor"] if info["hasNextPage"] else None,
            info["startCursor"] if info["hasPreviousPage"] else None,
        )


class OverHTTP(GraphQL):
    """GraphQL over HTTP."""

    def __init__(self, server: TestServer, headers: dict[str, str]) -> None:
        self._server = server
        self._headers = headers

    async def send(self, query: str, variables: Row) -> Row:
        """Send a POST."""
        return (await self._server.graphql(query, variables, headers=self._headers)).body


class OverWebSocket(GraphQL):
    """GraphQL over one WebSocket."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def send(self, query: str, variables: Row) -> Row:
        """Run one operation to its end."""
        await self._socket.subscribe(query, **variables)
        message = await self._socket.receive()
        if message["type"] == "error":
            return {"errors": message["payload"]}
        assert (await self._socket.receive())["type"] == "complete"
        return dict(message["payload"])


class REST:
    """The REST face."""

    def __init__(self, server: TestServer, headers: dict[str, str]) -> None:
        self._server = server
        self._headers = headers

    async def send(self, method: str, path: str, **kwargs: Any) -> tuple[Any, Any]:
        """Return body and headers."""
        headers = self._headers | kwargs.pop("headers", {})
        async with self._server.http.request(method, f"{self._server.url}/api/v1{path}", headers=headers, **kwargs) as response:
            raw = await response.read()
            body: Any = json.loads(raw) if raw else None
            if response.status >= 400:
                raise Refused(body["code"])
            return body, response.headers

    async def write(self, content: Any, **fields: Any) -> Row:
        """Write a post."""
        key = fields.pop("idempotencyKey", None)
        headers = {"Idempotency-Key": key} if key is not None else {}
        return dict((await self.send("POST", "/posts", json={"content": content, **fields}, headers=headers))[0])

    async def post(self, id_: str) -> Row:
        """Read a post."""
        return dict((await self.send("GET", f"/posts/{id_}"))[0])

    async def user(self, id_: str) -> Row:
        """Read a profile."""
        return dict((await self.send("GET", f"/users/{id_}"))[0])

    async def posts(self, user_id: str, **page: Any) -> Page:
        """Read a page of somebody's posts."""
        return await self._page(f"/users/{user_id}/posts", page)

    async def followers(self, user_id: str, **page: Any) -> Page:
        """Read a page of somebody's followers."""
        return await self._page(f"/users/{user_id}/followers", page)

    async def replies(self, post_id: str, **page: Any) -> Page:
        """Read a page of a post's replies."""
        return await self._page(f"/posts/{post_id}/replies", page)

    async def feed(self, **page: Any) -> Page:
        """Read a page of the home feed."""
        return await self._page("/feed", page)

    async def sign_up(self, **account: Any) -> tuple[str, Row]:
        """Make an account; return a token and the user."""
        body, _ = await self.send("POST", "/users", json=account)
        return body["token"], body["user"]

    async def sign_in(self, **credentials: Any) -> tuple[str, Row]:
        """Make a session; return its token and the user."""
        body, _ = await self.send("POST", "/sessions", json=credentials)
        return body["token"], body["user"]

    async def sign_out(self) -> None:
        """End the session."""
        await self.send("DELETE", "/sessions/current")

    async def edit(self, id_: str, **changes: Any) -> Row:
        """Change a post."""
        return dict((await self.send("PATCH", f"/posts/{id_}", json=changes))[0])

    async def delete(self, id_: str) -> None:
        """Delete a post."""
        await self.send("DELETE", f"/posts/{id_}")

    async def like(self, id_: str, *, on: bool = True) -> Row:
        """Like a post, or take that back."""
        return dict((await self.send("PUT" if on else "DELETE", f"/posts/{id_}/like"))[0])

    async def follow(self, id_: str, *, on: bool = True) -> Row:
        """Follow somebody, or stop."""
        return dict((await self.send("PUT" if on else "DELETE", f"/users/{id_}/follow"))[0])

    async def job(self, id_: str) -> Row:
        """Read a job."""
        return dict((await self.send("GET", f"/jobs/{id_}"))[0])

    async def images(self, post_id: str) -> list[Row]:
        """Read a post's images."""
        return list((await self.send("GET", f"/posts/{post_id}?include=media&fields={SHOWN_MEDIA}"))[0]["media"])

    async def _page(self, path: str, page: Row) -> Page:
        async with self._server.http.get(
            f"{self._server.url}/api/v1{path}", params={name: str(value) for name, value in page.items()}, headers=self._headers
        ) as response:
            body = json.loads(await response.read())
            if response.status >= 400:
                raise Refused(body["code"])
            links = response.links
        cursors = [
            URL(str(links[rel]["url"])).query[name] if rel in links else None
            for rel, name in (("next", "after"), ("prev", "before"))
        ]
        return Page(body, *cursors)


@asynccontextmanager
async def opened(face: str, server: TestServer, person: Person | None = None) -> AsyncIterator[Client]:
    """Give a client of this face, signed in as the person."""
    headers = person.headers if person else {}
    if face == "REST":
        yield REST(server, headers)
    elif face == "gRPC":
        async with connected(server) as stubs:
            yield GRPC(stubs, person)
    elif face == "GraphQL over HTTP":
        yield OverHTTP(server, headers)
    else:
        socket = await server.socket(person.token if person else None)
        yield OverWebSocket(socket)
        await socket.close()


FACES = ("GraphQL over HTTP", "GraphQL over WebSocket", "REST", "gRPC")
