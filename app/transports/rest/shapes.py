"""What of a resource is shown: `fields=` picks keys, `include=` brings neighbours along, each relation with one statement.

    GET /posts/7?include=author,replies.author&repliesFirst=2&fields=title,author.name

A name in `fields` belongs to the resource, or behind a dot to a neighbour: `author.name`. A resource of which no field is named
has all of them. Ids are always shown.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from app.domain.errors import InvalidInput
from app.domain.models import MOST_MEDIA
from app.settings import Settings
from app.transports.resources import MediaResource, PostResource, UserResource
from app.transports.rest.declaring import Query
from app.transports.rest.reading import Number, Separated

DEFAULT_REPLIES = 3  # as in GraphQL
KEYS = {
    "user": frozenset(UserResource.__annotations__),
    "post": frozenset(PostResource.__annotations__),
    "media": frozenset(MediaResource.__annotations__),
    "viewer": frozenset[str](),  # facts between a resource and the viewer: nothing to choose from
}
NOUNS = {"author": "user", "inReplyTo": "post", "replies": "post", "media": "media", "viewer": "viewer"}  # of each neighbour
KNOWN_SHAPES = 256

PostNeighbour = Literal[
    "author",
    "author.viewer",
    "inReplyTo",
    "inReplyTo.author",
    "inReplyTo.media",
    "media",
    "replies",
    "replies.author",
    "replies.media",
    "replies.viewer",
    "viewer",
]
UserNeighbour = Literal["viewer"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What is shown of each resource at one place: its keys (None: all), and its neighbours by name."""

    keys: frozenset[str] | None
    neighbours: "dict[str, Shape]"

    def of(self, resource: Any, id_key: str) -> dict[str, Any]:
        """Return what is shown of a whole resource."""
        if self.keys is None:
            return dict(resource)
        return {key: value for key, value in resource.items() if key in self.keys or key == id_key}

    def most_objects(self, replies: int) -> int:
        """Return how many resources one of these brings, itself included, where each post has so many replies."""
        many = {"replies": replies, "media": MOST_MEDIA, "viewer": 0}
        return 1 + sum(many.get(name, 1) * shape.most_objects(replies) for name, shape in self.neighbours.items())


@lru_cache(KNOWN_SHAPES)
def shape_of(noun: str, fields: tuple[str, ...], include: tuple[str, ...]) -> Shape:
    """Return the shape that the two parameters describe.

    Raises:
        InvalidInput: `fields` has a name that is not shown here.
    """
    neighbours: dict[str, Shape] = {}
    own = set(fields)
    for name in dict.fromkeys(path.partition(".")[0] for path in include):
        prefix = f"{name}."
        below = tuple(field for field in fields if field.startswith(prefix))
        own -= set(below)
        paths = tuple(path.removeprefix(prefix) for path in include if path.startswith(prefix))
        neighbours[name] = shape_of(NOUNS[name], tuple(field.removeprefix(prefix) for field in below), paths)
    if unknown := sorted(own - KEYS[noun]):
        raise InvalidInput(f"fields has {unknown[0][:60]!r}, which is not shown here: see fields and include.", field="fields")
    return Shape(frozenset(own) or None, neighbours)


class UserShape(Query):
    """What is shown of a person."""

    fields: Annotated[tuple[str, ...], Separated, Field(description="Only these keys, such as name,bio.")] = ()
    include: Annotated[
        tuple[UserNeighbour, ...],
        Separated,
        Field(description="viewer: viewerIsFollowing and viewerIsFollowedBy; both false when anonymous."),
    ] = ()

    @model_validator(mode="after")
    def fields_exist(self) -> Self:
        """Refuse names that nothing has."""
        self.shape()
        return self

    def shape(self) -> Shape:
        """Return what is shown."""
        return shape_of("user", self.fields, self.include)

    def most_objects(self, limits: Settings) -> int:
        """Return how many resources one person brings."""
        return self.shape().most_objects(0)


class PostShape(Query):
    """What is shown of a post."""

    fields: Annotated[
        tuple[str, ...],
        Separated,
        Field(description="Only these keys, a neighbour's behind its name, such as title,author.name."),
    ] = ()
    include: Annotated[
        tuple[PostNeighbour, ...],
        Separated,
        Field(description="What to bring along; viewer is viewerHasLiked (of a person, who follows whom), false when anonymous."),
    ] = ()
    replies_first: Annotated[Number, Field(description="How many of the newest replies `replies` brings, 0 to 100.")] = (
        DEFAULT_REPLIES
    )

    @model_validator(mode="after")
    def fields_exist(self) -> Self:
        """Refuse names that nothing has."""
        self.shape()
        return self

    def shape(self) -> Shape:
        """Return what is shown."""
        return shape_of("post", self.fields, self.include)

    def most_objects(self, limits: Settings) -> int:
        """Return how many resources one post brings; an impossible number of replies is refused before they are read."""
        return self.shape().most_objects(min(max(self.replies_first, 0), limits.max_page_size))
