"""The floor: the page of query Q2 written by hand on aiohttp and asyncpg, with as little as a careful person would write.

No GraphQL, no limits, no authentication; three statements on one connection with only the columns that are shown, and the same
bytes as the GraphQL answer. It takes the same POST as /graphql and reads nothing of it but the variable `id`.
"""

import argparse
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import asyncpg
import orjson
import uvloop
from aiohttp import web

from app.bench import serving

CONNECTIONS = 10
SETTINGS = {"jit": "off", "plan_cache_mode": "force_generic_plan", "timezone": "UTC", "application_name": "feedgraph-floor"}

USER = "select id, username, name from users where id = $1"
POSTS = """
select p.id, p.title, p.content, p.created_at, p.likes_count, p.replies_count, u.id, u.username, u.name, u.avatar_url
from posts p join users u on u.id = p.author_id
where p.author_id = $1 and p.in_reply_to_id is null and p.hidden_at is null order by p.id desc limit 20
"""
REPLIES = """
select r.in_reply_to_id, r.id, r.content, r.created_at, u.id, u.username, u.name
from unnest($1::bigint[]) k(id) cross join lateral (
    select in_reply_to_id, id, content, created_at, author_id from posts
    where in_reply_to_id = k.id and hidden_at is null order by id desc limit 3
) r join users u on u.id = r.author_id order by r.in_reply_to_id, r.id desc
"""


def shown_time(moment: datetime) -> str:
    """Return a time as the GraphQL face shows it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


async def page(connection: Any, user_id: int) -> dict[str, Any] | None:
    """Return the page of one person, None where there is nobody. Three statements."""
    user = await connection.fetchrow(USER, user_id)
    if user is None:
        return None
    posts = await connection.fetch(POSTS, user_id)
    replies: dict[int, list[dict[str, Any]]] = {row[0]: [] for row in posts}
    for row in await connection.fetch(REPLIES, list(replies)) if replies else ():
        author = {"id": str(row[4]), "username": row[5], "name": row[6]}
        replies[row[0]].append({"id": str(row[1]), "content": row[2], "createdAt": shown_time(row[3]), "author": author})
    return {"id": str(user[0]), "username": user[1], "name": user[2], "posts": list(shown_posts(posts, replies))}


def shown_posts(rows: Iterable[Any], replies: dict[int, list[dict[str, Any]]]) -> Iterable[dict[str, Any]]:
    """Give each post as it is shown."""
    for row in rows:
        yield {
            "id": str(row[0]),
            "title": row[1],
            "content": row[2],
            "createdAt": shown_time(row[3]),
            "likesCount": row[4],
            "repliesCount": row[5],
            "author": {"id": str(row[6]), "username": row[7], "name": row[8], "avatarUrl": row[9]},
            "replies": replies[row[0]],
        }


async def leave_as_is(_connection: Any) -> None:
    """Skip the driver's reset script, as the server itself does."""


async def serve(database_url: str, port: int) -> None:
    """Serve until the process is ended."""
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=CONNECTIONS, reset=leave_as_is, server_settings=SETTINGS)

    async def handle(request: web.Request) -> web.Response:
        user_id = int(orjson.loads(await request.read())["variables"]["id"])
        async with pool.acquire() as connection:
            body = orjson.dumps({"data": {"user": await page(connection, user_id)}})
        return web.Response(body=body, headers={"Content-Type": "application/json; charset=utf-8"})

    await serving.serve({"/graphql": handle}, port)


def main() -> None:
    """Read the two arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_url")
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.database_url, arguments.port))


if __name__ == "__main__":
    main()
