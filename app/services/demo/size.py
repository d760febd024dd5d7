"""How large a world is, and which sizes can be made."""

from dataclasses import dataclass
from typing import Self

from app.domain.demo import DEMO_USER_ID
from app.domain.errors import ConfigurationError

DEFAULT_USERS = 2_000
MOST_USERS = 100_000
MOST_POSTS = 1_000_000  # replies included
MOST_FOLLOWS = 10_000_000
MOST_LIKES = 10_000_000
DEMO_POSTS = 25  # at least so many by the demo person
DEMO_FOLLOWING = 30  # at least so many are followed by the demo person


@dataclass(frozen=True, slots=True)
class WorldSize:
    """Numbers of rows; exactly so many are made.

    Raises:
        ConfigurationError: a world of this size cannot be made; the message says what would do.
    """

    users: int
    posts: int  # top-level
    replies: int
    follows: int
    likes: int

    @classmethod
    def scaled(
        cls,
        users: int = DEFAULT_USERS,
        *,
        posts: int | None = None,
        replies: int | None = None,
        follows: int | None = None,
        likes: int | None = None,
    ) -> Self:
        """Return a world of the given numbers; what is not given follows from the others.

        5 posts for each user (but no more than leaves room for the replies), 3 replies for each post, 25 follows and 30 likes
        for each user.
        """
        posts = min(5 * users, MOST_POSTS // 4) if posts is None else posts
        replies = min(3 * posts, max(MOST_POSTS - posts, 0)) if replies is None else replies
        follows = 25 * users if follows is None else follows
        likes = min(30 * users, (posts + replies) * users // 4) if likes is None else likes
        return cls(users=users, posts=posts, replies=replies, follows=follows, likes=likes)

    def __post_init__(self) -> None:
        require("users", self.users, DEMO_USER_ID, MOST_USERS, f"user {DEMO_USER_ID} is the one that examples sign in as")
        require("posts", self.posts, DEMO_POSTS, MOST_POSTS, f"user {DEMO_USER_ID} alone writes {DEMO_POSTS}")
        require("replies", self.replies, 0, MOST_POSTS - self.posts, f"posts and replies together are at most {MOST_POSTS:,}")
        most_follows = min(MOST_FOLLOWS, self.users * self.users // 4)
        require("follows", self.follows, self.users + DEMO_FOLLOWING, most_follows, f"there are {self.users:,} users")
        most_likes = min(MOST_LIKES, (self.posts + self.replies) * self.users // 4)
        require("likes", self.likes, 0, most_likes, f"there are {self.users:,} users and {self.posts + self.replies:,} posts")


def require(name: str, value: int, least: int, most: int, why: str) -> None:
    """Refuse a number outside of its range, with the reason for the range."""
    if not least <= value <= most:
        raise ConfigurationError(f"The demo world cannot have {value:,} {name}: choose from {least:,} to {most:,} ({why}).")
