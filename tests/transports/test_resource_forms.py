"""The JSON forms of the nouns: their keys, in this order, are what clients of REST and of live events rely on."""

from datetime import UTC, datetime

from app.domain.models import Post, User
from app.transports.resources import post_resource, user_resource

AT = datetime(2026, 11, 22, 7, tzinfo=UTC)


def test_a_post_shows_its_columns_and_not_that_a_moderator_hid_it():
    assert list(post_resource(Post(2**60, 1, 3, 1, None, "x", AT, None, AT, 1, 2, 3)).items()) == [
        ("postId", "1152921504606846976"),
        ("title", None),
        ("content", "x"),
        ("authorId", "1"),
        ("createdAt", "2026-11-22T07:00:00.000Z"),
        ("editedAt", None),
        ("inReplyToId", "3"),
        ("likesCount", 1),
        ("repliesCount", 2),
        ("repostsCount", 3),
    ]


def test_a_user_shows_their_columns():
    assert list(user_resource(User(1, "ada", "Ada", None, None, AT, 1, 2, 3)).items()) == [
        ("userId", "1"),
        ("username", "ada"),
        ("name", "Ada"),
        ("bio", None),
        ("avatarUrl", None),
        ("createdAt", "2026-11-22T07:00:00.000Z"),
        ("followersCount", 1),
        ("followingCount", 2),
        ("postsCount", 3),
    ]
