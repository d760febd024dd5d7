"""Who may see a post: the one rule, in words that can be read and tested.

Every read of posts, pages and live events alike, applies its SQL twin (`visible` in `stores/posts.py`, before LIMIT, so that
pages are full). A property test holds the two equal; this one decides what the rule is.
"""

from app.domain.models import Post


def can_see(viewer_id: int | None, post: Post) -> bool:
    """Say whether the viewer (None: anonymous) may see the post: a hidden one only its author can."""
    return post.hidden_at is None or post.author_id == viewer_id
