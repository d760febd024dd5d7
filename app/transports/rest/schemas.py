"""The types of REST's answers, as the OpenAPI document shows them: resources whose keys a request chooses, and problems."""

from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from app.transports.resources import MediaResource, PostResource, UserResource


def only_id_is_required(schema: dict[str, Any]) -> None:
    """Say in a resource's schema that `fields` may leave out everything but its id."""
    schema["required"] = schema["required"][:1]


class User(UserResource, total=False):
    """A person. All keys but the id may be left out by `fields`; the last two come with include=viewer."""

    __pydantic_config__ = ConfigDict(extra="forbid", json_schema_extra=only_id_is_required)  # type: ignore[misc]

    viewerIsFollowing: Annotated[bool, Field(description="Whether the viewer follows them.")]
    viewerIsFollowedBy: Annotated[bool, Field(description="Whether they follow the viewer.")]


class Media(MediaResource, total=False):
    """An image. All keys but the id may be left out by `fields`."""

    __pydantic_config__ = ConfigDict(extra="forbid", json_schema_extra=only_id_is_required)  # type: ignore[misc]


class Post(PostResource, total=False):
    """A post or a reply. All keys but the id may be left out by `fields`; the last five come with `include`."""

    __pydantic_config__ = ConfigDict(extra="forbid", json_schema_extra=only_id_is_required)  # type: ignore[misc]

    author: Annotated[User | None, Field(description="Who wrote it; null where the account went away just now.")]
    inReplyTo: Annotated["Post | None", Field(description="What it answers; null where that is gone, hidden, or nothing.")]
    replies: Annotated[list["Post"], Field(description="The newest direct replies, newest first.")]
    viewerHasLiked: Annotated[bool, Field(description="Whether the viewer likes it.")]
    media: Annotated[list[Media], Field(description="Its images, in their author's order.")]


class Problem(TypedDict):
    """What went wrong (RFC 9457)."""

    type: Annotated[str, Field(pattern="^urn:feedgraph:[A-Z_]+$")]
    title: str
    status: int
    detail: Annotated[str, Field(description="What to do, in a sentence.")]
    code: Annotated[str, Field(description="The code that all faces share.", examples=["NOT_FOUND"])]
    field: NotRequired[Annotated[str, Field(description="The input that is not acceptable.")]]
    retryAfter: NotRequired[Annotated[int, Field(description="Seconds to wait.")]]
    errorId: NotRequired[Annotated[str, Field(description="Tell it us: the log has it.")]]
