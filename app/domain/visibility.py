"""Who may see a post, and in whose home feed it is: the rules in words that can be read and tested.

Every read of posts, pages and live events alike, applies their SQL twins (`visible` in `stores/posts.py` and `stores/feeds.py`,
before LIMIT, so that pages are full). Property tests hold them equal; these decide what the rules are.
"""

from collections.abc import Collection

from app.domain.models import Post


def can_see(viewer_id: int | None, post: Post) -> bool:
    """Say whether the viewer (None: anonymous) may see the post: a hidden one only its author can."""
    return post.hidden_at is None or post.author_id == viewer_id


def is_in_home_feed(viewer_id: int, followed: Collection[int], post: Post) -> bool:
    """Say whether a post that the viewer may see is in their home feed; `followed` are the people whom they follow.

    Their own posts and replies are, and those of the people they follow, but for replies to people whom the viewer does not know.
    """
    if post.author_id == viewer_id:
        return True
    answered = post.in_reply_to_author_id
    is_talk_of_others = (
        post.in_reply_to_id is not None and answered not in {viewer_id, post.author_id} and answered not in followed
    )
    return post.author_id in followed and not is_talk_of_others
