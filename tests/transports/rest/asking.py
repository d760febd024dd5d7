"""Asking the REST face."""

import json
from dataclasses import dataclass
from typing import Any

from yarl import URL

from tests.clients import TestServer

USER_KEYS = {
    "userId", "username", "name", "bio", "avatarUrl", "createdAt", "followersCount", "followingCount", "postsCount"
}  # fmt: skip
POST_KEYS = {
    "postId", "title", "content", "authorId", "createdAt", "editedAt", "inReplyToId", "likesCount", "repliesCount", "repostsCount"
}  # fmt: skip


@dataclass
class Response:
    """A response with its body read."""

    status: int
    headers: Any
    raw: bytes

    @property
    def body(self) -> Any:
        """The decoded body."""
        return json.loads(self.raw)

    @property
    def links(self) -> dict[str, str]:
        """The targets of the Link header by their relation."""
        parts = [part for part in self.headers.get("Link", "").split(", ") if part]
        return {part.split('rel="')[1].rstrip('"'): part.split(">")[0].lstrip("<") for part in parts}


async def ask(server: TestServer, path: str, method: str = "GET", **kwargs: Any) -> Response:
    """Send a request to a path as it is written, percent signs and all."""
    path = path if path.startswith("/api/") else f"/api/v1{path}"
    async with server.http.request(method, URL(server.url + path, encoded=True), **kwargs) as response:
        return Response(response.status, response.headers, await response.read())


def check_problem(response: Response, status: int, code: str) -> None:
    """Require a problem as RFC 9457 has it."""
    assert response.status == status, response.raw
    assert response.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    body = response.body
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:feedgraph:{code}")
    assert 0 < len(body["detail"]) < 300
    assert body["title"]
    assert set(body) <= {"type", "title", "status", "detail", "code", "field", "retryAfter", "errorId"}
