"""Posts: the type, reading, writing, liking, and hearing of new ones."""

from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from app import services
from app.domain.errors import InvalidInput
from app.domain.ids import parse_id
from app.domain.models import UNCHANGED
from app.domain.models import Post as PostModel
from app.services import relations
from app.services.posts import LATEST, Draft
from app.transports.graphql.bindings import BINDING, lookup
from app.transports.graphql.cache_policy import NEWEST, THING
from app.transports.graphql.connections import (
    After,
    Before,
    Connection,
    First,
    Last,
    PostConnection,
    PostType,
    UserConnection,
    UserType,
    wished_page,
)
from app.transports.graphql.costs import PAGED, mutation
from app.transports.graphql.fields import Info, connected, given, listed, related, short
from app.transports.graphql.media import Media
from app.transports.graphql.nodes import Node
from app.transports.graphql.scalars import EventCursor

PostId = Annotated[strawberry.ID, strawberry.argument(description="The post's id.")]


@strawberry.type(description="A post or a reply.", directives=[THING])
class Post(Node):
    """A post or a reply."""

    title: str | None = strawberry.field(description="Its title, if it has one.")
    content: str = strawberry.field(description="Its text.")
    created_at: datetime = strawberry.field(description="When it was written.")
    edited_at: datetime | None = strawberry.field(description="When it was changed last; null when never.")
    author = related(relations.POST_AUTHOR, UserType, "Who wrote it.")
    in_reply_to = related(
        relations.POST_IN_REPLY_TO,
        PostType | None,
        "The post that it answers; null for a post of its own, or where that post is gone or hidden.",
    )
    replies = listed(
        relations.POST_REPLIES,
        list[PostType],
        "Direct replies to it, newest first.",
        default=3,
    )
    replies_connection = connected(relations.POST_REPLIES, PostConnection, "Direct replies a page at a time, newest first.")
    media = short(
        relations.POST_MEDIA, list[Media], "Its images, at most four, in their author's order.", page=relations.ALL_MEDIA
    )
    likes_count: int = strawberry.field(description="How many people like it.")
    replies_count: int = strawberry.field(description="How many direct replies it has.")
    reposts_count: int = strawberry.field(description="How often it was reposted.")
    viewer_has_liked = related(relations.VIEWER_HAS_LIKED, bool, "Whether the viewer likes it; false when anonymous.")
    likers = connected(relations.POST_LIKERS, UserConnection, "Who likes it, newest like first.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Say whether a value is shown as this type."""
        return isinstance(value, PostModel)


@strawberry.type(description="A post that was written or changed.")
class PostPayload:
    """A post that was written or changed."""

    post: Post = strawberry.field(description="The post as it is now.")


@strawberry.type(description="A post that is gone.")
class DeletePostPayload:
    """A post that is gone."""

    id: strawberry.ID = strawberry.field(description="The id that the post had.")


@strawberry.input(description="A post or a reply to write.")
class CreatePostInput:
    """A post or a reply to write."""

    content: str = strawberry.field(description="The text, 1 to 5,000 characters.")
    title: str | None = strawberry.field(default=UNSET, description="A title of at most 200 characters, in one line.")
    in_reply_to_id: strawberry.ID | None = strawberry.field(default=UNSET, description="The post that this one answers.")
    idempotency_key: str | None = strawberry.field(
        default=UNSET, description="Any text of your own: a second request with it writes no second post, for 24 hours."
    )
    media_ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET, description="At most four images that you uploaded (POST /api/v1/media) and no post has yet."
    )


@strawberry.input(description="What to change in a post; what is absent stays.")
class EditPostInput:
    """What to change in a post."""

    id: strawberry.ID = strawberry.field(description="The post's id.")
    content: str | None = strawberry.field(default=UNSET, description="The new text; null is refused, for a post needs one.")
    title: str | None = strawberry.field(default=UNSET, description="The new title; null removes it.")


@strawberry.type
class PostQueries:
    """Root fields that find posts."""

    @strawberry.field(
        graphql_type=Post | None,
        description="The post with this id; null where it is unknown or hidden.",
        metadata={BINDING: lookup("post", lambda arguments: (parse_id(arguments["id"]), relations.POST))},
    )
    async def post(self, info: Info, id: PostId) -> PostModel | None:
        return await services.posts.find(info.context, parse_id(id))

    @strawberry.field(
        graphql_type=PostConnection,
        description="Everybody's posts, replies included, newest first.",
        directives=[*PAGED, NEWEST],
    )
    async def latest_posts(
        self, info: Info, first: First = UNSET, after: After = UNSET, last: Last = UNSET, before: Before = UNSET
    ) -> Any:
        page = wished_page(info.context, LATEST, first=first, after=after, last=last, before=before)
        return Connection(LATEST, await services.posts.latest(info.context, page))

    @strawberry.field(
        graphql_type=EventCursor,
        description="The log's position before this operation reads: hand it to a subscription's `after` and nothing is missed.",
    )
    async def event_cursor(self, info: Info) -> str:
        return str(info.context.event_cursor)


def payload(post: PostModel) -> PostPayload:
    """Return the payload that shows a post."""
    return PostPayload(post=post)  # type: ignore[arg-type]  # the model is shown as Post


@strawberry.type
class PostMutations:
    """Writing, changing, removing and liking posts."""

    @mutation(graphql_type=PostPayload, description="Write a post or a reply.")
    async def create_post(
        self, info: Info, input: Annotated[CreatePostInput, strawberry.argument(description="What to write.")]
    ) -> PostPayload:
        draft = Draft(
            content=input.content,
            title=given(input.title, str),
            in_reply_to_id=given(input.in_reply_to_id, lambda id_: parse_id(id_, field="inReplyToId")),
            idempotency_key=given(input.idempotency_key, str),
            media_ids=given(input.media_ids, lambda ids: [parse_id(id_, field="mediaIds") for id_ in ids]) or (),
        )
        return payload(await services.posts.create(info.context, draft))

    @mutation(graphql_type=PostPayload, description="Change a post of your own.")
    async def edit_post(
        self, info: Info, input: Annotated[EditPostInput, strawberry.argument(description="What to change.")]
    ) -> PostPayload:
        if input.content is None:
            raise InvalidInput("content cannot be null: a post needs a text. Leave it out to keep it.", field="content")
        content = UNCHANGED if input.content is UNSET else input.content
        title = UNCHANGED if input.title is UNSET else input.title
        return payload(await services.posts.edit(info.context, parse_id(input.id), content=content, title=title))

    @mutation(graphql_type=DeletePostPayload, description="Delete a post of your own; replies to it stay.")
    async def delete_post(self, info: Info, id: PostId) -> DeletePostPayload:
        await services.posts.delete(info.context, parse_id(id))
        return DeletePostPayload(id=id)

    @mutation(graphql_type=PostPayload, description="Like a post; again changes nothing.")
    async def like_post(self, info: Info, id: PostId) -> PostPayload:
        return payload(await services.likes.add(info.context, parse_id(id)))

    @mutation(graphql_type=PostPayload, description="Take a like back; again changes nothing.")
    async def unlike_post(self, info: Info, id: PostId) -> PostPayload:
        return payload(await services.likes.remove(info.context, parse_id(id)))
