"""Three screens of a social app: what each shows, as one GraphQL query and as steps of REST."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

POSTS = 20  # on the profile, in the home feed, and replies under a thread's post
REPLIES = 3  # under each post of the home feed, and under each reply of a thread

PROFILE_FIELDS = ("id", "username", "name", "bio", "avatarUrl", "followersCount", "followingCount", "postsCount")
PERSON_FIELDS = ("id", "username", "name", "avatarUrl")
POST_FIELDS = ("id", "title", "content", "createdAt", "likesCount", "repliesCount")
FRAGMENTS = f"""
fragment Text on Post {{ {" ".join(POST_FIELDS)} }}
fragment Person on User {{ {" ".join(PERSON_FIELDS)} }}
"""


class RestClient(Protocol):
    """What a screen is assembled with; how many requests it becomes is the client's affair."""

    async def get(self, path: str) -> Any:
        """Return the resource at a path behind the REST prefix."""

    async def each(self, step: Callable[[Item], Awaitable[Result]], items: Iterable[Item]) -> list[Result]:
        """Return the results of a step for each item, in order; the steps do not depend on each other."""

    def expects(self, count: int) -> bool:
        """Say whether a list whose length is told as `count` is worth asking for."""


@dataclass(frozen=True)
class Target:
    """What the screens show: ids of a user and of a post with enough replies."""

    user_id: str
    post_id: str


@dataclass(frozen=True)
class Screen:
    """One screen. Assembled by REST it is equal to the data of the GraphQL response."""

    name: str
    shows: str
    signed_in: bool
    query: str
    variables: Callable[[Target], dict[str, Any]]
    assemble: Callable[[RestClient, Target], Coroutine[Any, Any, Any]]


async def profile(rest: RestClient, target: Target) -> Any:
    """Assemble a user with their posts."""
    path = f"/users/{target.user_id}"
    user, posts = await rest.each(rest.get, [path, f"{path}/posts?first={POSTS}"])
    shown = await rest.each(lambda post: dressed(rest, post, ()), posts)
    return {"user": {**chosen(user, "userId", PROFILE_FIELDS), "posts": shown}}


async def home(rest: RestClient, _target: Target) -> Any:
    """Assemble the first page of the home feed."""
    posts = await rest.get(f"/feed?first={POSTS}")
    return {"feed": {"nodes": await rest.each(lambda post: dressed(rest, post, (REPLIES,)), posts)}}


async def thread(rest: RestClient, target: Target) -> Any:
    """Assemble a post with two levels of replies."""
    path = f"/posts/{target.post_id}"
    post, replies = await rest.each(rest.get, [path, f"{path}/replies?first={POSTS}"])
    levels: list[tuple[Any, Sequence[int]]] = [(post, ()), *((reply, (REPLIES,)) for reply in replies)]
    shown, *shown_replies = await rest.each(lambda level: dressed(rest, *level), levels)
    return {"post": {**shown, "replies": shown_replies}}


async def dressed(rest: RestClient, post: Any, replies_sizes: Sequence[int]) -> dict[str, Any]:
    """Return a post as the screen shows it: with its author and, for each size, one more level of that many replies."""
    wanted = [f"/users/{post['authorId']}"]
    if replies_sizes and rest.expects(post["repliesCount"]):
        wanted.append(f"/posts/{post['postId']}/replies?first={replies_sizes[0]}")
    author, *lists = await rest.each(rest.get, wanted)
    shown = {**chosen(post, "postId", POST_FIELDS), "author": chosen(author, "userId", PERSON_FIELDS)}
    if replies_sizes:
        below = await rest.each(lambda reply: dressed(rest, reply, replies_sizes[1:]), lists[0] if lists else [])
        shown["replies"] = below
    return shown


def chosen(resource: Any, id_key: str, fields: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a resource that a screen shows, under the names that GraphQL has for them."""
    return {name: resource[id_key if name == "id" else name] for name in fields}


SCREENS = (
    Screen(
        name="profile",
        shows=f"A user with their {POSTS} newest posts and each post's author.",
        signed_in=False,
        query=f"""query Profile($user: ID!) {{
  user(id: $user) {{
    {" ".join(PROFILE_FIELDS)}
    posts(first: {POSTS}) {{ ...Text author {{ ...Person }} }}
  }}
}}
{FRAGMENTS}""",
        variables=lambda target: {"user": target.user_id},
        assemble=profile,
    ),
    Screen(
        name="home feed",
        shows=f"The {POSTS} newest posts of the home feed with their authors, {REPLIES} replies to each and their authors.",
        signed_in=True,
        query=f"""query HomeFeed {{
  feed(first: {POSTS}) {{
    nodes {{
      ...Text
      author {{ ...Person }}
      replies(first: {REPLIES}) {{ ...Text author {{ ...Person }} }}
    }}
  }}
}}
{FRAGMENTS}""",
        variables=lambda _target: {},
        assemble=home,
    ),
    Screen(
        name="thread",
        shows=(
            f"A post with its author, {POSTS} replies with their authors, {REPLIES} replies to each of these and their authors."
        ),
        signed_in=False,
        query=f"""query Thread($post: ID!) {{
  post(id: $post) {{
    ...Text
    author {{ ...Person }}
    replies(first: {POSTS}) {{
      ...Text
      author {{ ...Person }}
      replies(first: {REPLIES}) {{ ...Text author {{ ...Person }} }}
    }}
  }}
}}
{FRAGMENTS}""",
        variables=lambda target: {"post": target.post_id},
        assemble=thread,
    ),
)
