"""Resources: the JSON forms of the nouns, with keys in camelCase, the same in a REST answer and in a live event."""

from typing import Any

from app.domain.models import Post, User
from app.domain.times import wire_time


def user_resource(user: User) -> dict[str, Any]:
    """Return a user as JSON."""
    return {
        "userId": str(user.id),
        "username": user.username,
        "name": user.name,
        "bio": user.bio,
        "avatarUrl": user.avatar_url,
        "createdAt": wire_time(user.created_at),
        "followersCount": user.followers_count,
        "followingCount": user.following_count,
        "postsCount": user.posts_count,
    }


def post_resource(post: Post) -> dict[str, Any]:
    """Return a post as JSON."""
    return {
        "postId": str(post.id),
        "title": post.title,
        "content": post.content,
        "authorId": str(post.author_id),
        "createdAt": wire_time(post.created_at),
        "editedAt": wire_time(post.edited_at) if post.edited_at else None,
        "inReplyToId": str(post.in_reply_to_id) if post.in_reply_to_id else None,
        "likesCount": post.likes_count,
        "repliesCount": post.replies_count,
        "repostsCount": post.reposts_count,
    }
