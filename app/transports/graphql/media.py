"""Images: the type. They are uploaded over REST, and given to a post by createPost."""

from typing import Any

import strawberry

from app.domain.models import Media as MediaModel
from app.transports.graphql.cache_policy import THING
from app.transports.graphql.nodes import Node


@strawberry.type(description="An image of a post. Whoever sees the post may fetch it.", directives=[THING])
class Media(Node):
    """An image of a post."""

    url: str = strawberry.field(description="Where it is fetched: an address on this server.")
    thumbnail_url: str = strawberry.field(description="Where it is fetched small, at most 400 pixels wide and high, as WebP.")
    media_type: str = strawberry.field(name="type", description="Its media type: image/png, image/jpeg or image/webp.")
    width: int = strawberry.field(description="Its width in pixels.")
    height: int = strawberry.field(description="Its height in pixels.")
    alt: str | None = strawberry.field(description="What it shows, in its author's words; null where nothing was said.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Say whether a value is shown as this type."""
        return isinstance(value, MediaModel)
