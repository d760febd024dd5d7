"""Who may see a post: the one rule, asked before anything is shown on any way, pages and live events alike.

Its SQL twin is `visible` in `stores/posts.py`, applied before LIMIT so that pages are full; a property test holds them equal.
"""

from app.domain.models import Post


def can_see(viewer_id: int | None, post: Post) -> bool:
    """Say whether the viewer (None: anonymous) may see the post: a hidden one only its author can."""
    return post.hidden_at is None or post.author_id == viewer_id
