"""What a run needs to find on the server before it measures: the server itself, a user with posts, a feed, a thread."""

from typing import Any

from app.bench.screens import POSTS, Target
from app.bench.wire import COUNTS_HEADER, REST_PREFIX, CannotMeasure, Wire, complaint_in, decoded

PAGE_SIZE = 100
LONGEST_ID = 18  # digits
SEARCHED_PAGES = 100  # newest posts that are looked through for a thread: 10,000

LATEST = """
query Latest($size: Int!, $after: Cursor) {
  latestPosts(first: $size, after: $after) { nodes { id repliesCount } pageInfo { hasNextPage endCursor } }
}
"""


async def find(wire: Wire, *, user_id: str, post_id: str | None, token: str) -> Target:
    """Return what the screens will show.

    Raises:
        CannotMeasure: something is not there, or there is too little of it; the sentence says what.
    """
    require_number("--user", user_id)
    if post_id is not None:
        require_number("--post", post_id)
    await require_feedgraph(wire)
    await require_posts(wire, user_id)
    await require_feed(wire, token)
    return Target(user_id, await thread_of(wire, post_id))


def require_number(option: str, text: str) -> None:
    """Refuse what can be no id."""
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_ID):
        raise CannotMeasure(f"{text!r} is not an id: {option} takes a whole number, such as 123.")


async def require_feedgraph(wire: Wire) -> None:
    """Refuse an address where something else answers."""
    response, body = await wire.exchange("GET", "/healthz", None)
    if response.status != 200 or response.headers.get("Server") != "feedgraph" or decoded(body, wire.url) != {"status": "ok"}:
        raise CannotMeasure(f"{wire.url} is not a feedgraph server: give the address of one by --url.")


async def require_posts(wire: Wire, user_id: str) -> None:
    """Refuse a user who cannot fill a profile, and a server that does not tell its counts."""
    wire.asks_counts = True
    response, body = await wire.exchange("GET", f"{REST_PREFIX}/users/{user_id}/posts?first={POSTS}", None)
    if response.status == 404:
        raise CannotMeasure(f"{wire.url} has no user {user_id}: name another by --user, or load the demo data there.")
    if response.status != 200:
        raise CannotMeasure(f"{wire.url} cannot show user {user_id}: {complaint_in(body)}.")
    if COUNTS_HEADER not in response.headers:
        raise CannotMeasure(f"{wire.url} does not answer with the header {COUNTS_HEADER}, so its statements cannot be counted.")
    found = len(decoded(body, wire.url))
    if found < POSTS:
        raise CannotMeasure(f"User {user_id} has {counted(found, 'post')} and the profile needs {POSTS}: name another by --user.")


async def require_feed(wire: Wire, token: str) -> None:
    """Refuse a token that is nobody's, and a home feed that does not fill a screen."""
    if not (token.isascii() and token.isprintable()):
        raise CannotMeasure("The --token has characters that no token has.")
    wire.token = token
    response, body = await wire.exchange("GET", f"{REST_PREFIX}/feed?first={POSTS}", None)
    wire.token = None
    if response.status in {400, 401}:
        raise CannotMeasure(f"{wire.url} does not know the token whose home feed is read: give one by --token.")
    if response.status != 200:
        raise CannotMeasure(f"{wire.url} cannot show the home feed: {complaint_in(body)}.")
    found = len(decoded(body, wire.url))
    if found < POSTS:
        raise CannotMeasure(
            f"The home feed has {counted(found, 'post')} and needs {POSTS}: give another person's token by --token."
        )


async def thread_of(wire: Wire, post_id: str | None) -> str:
    """Return the id of the post that the thread screen shows: the named one, else the newest with enough replies."""
    if post_id is not None:
        data = await wire.graphql("query($id: ID!) { post(id: $id) { id repliesCount } }", {"id": post_id})
        if data["post"] is None or data["post"]["repliesCount"] < POSTS:
            raise CannotMeasure(f"Post {post_id} is not there or has less than {POSTS} replies: name another by --post.")
        return post_id
    after: str | None = None
    for _ in range(SEARCHED_PAGES):
        page: dict[str, Any] = (await wire.graphql(LATEST, {"size": PAGE_SIZE, "after": after}))["latestPosts"]
        found = next((post["id"] for post in page["nodes"] if post["repliesCount"] >= POSTS), None)
        if found is not None:
            return str(found)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    raise CannotMeasure(
        f"None of the newest {SEARCHED_PAGES * PAGE_SIZE:,} posts has the {POSTS} replies of a thread: name one by --post."
    )


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
