"""Posts as resources: reading, writing, changing, removing and liking them."""

from typing import Annotated, Any

from aiohttp import hdrs
from pydantic import ConfigDict, Field

from app import services
from app.domain import text
from app.domain.errors import InvalidInput, NotFound
from app.domain.models import MOST_MEDIA, UNCHANGED, Post
from app.services import relations
from app.services.posts import LATEST, NO_SUCH_POST, Draft
from app.settings import Settings
from app.transports.rest import schemas
from app.transports.rest.answers import KEY_HEADER
from app.transports.rest.declaring import PREFIX, Body, Call, Query, Reply, Route
from app.transports.rest.pages import list_route, listed, related
from app.transports.rest.queries import PostPage, UserPage
from app.transports.rest.reading import Id, Separated, sized
from app.transports.rest.shapes import PostShape
from app.transports.rest.showing import posts_shown, users_shown


class PostsQuery(PostPage):
    """Which posts: those with these ids, or a page of all."""

    ids: Annotated[tuple[Id, ...] | None, Separated, Field(description="At most 100 ids, such as 1,2,3; instead of a page.")] = (
        None
    )

    def most_objects(self, limits: Settings) -> int:
        """Return how many resources the batch or the page brings."""
        if self.ids is None:
            return super().most_objects(limits)
        return len(self.ids) * PostShape.most_objects(self, limits)


Content = Annotated[str, sized(1, text.CONTENT_LENGTH)]
Title = Annotated[str, sized(0, text.TITLE_LENGTH)]


class NewPost(Body):
    """A post or a reply to write."""

    content: Annotated[Content, Field(description="The text.")]
    title: Annotated[Title | None, Field(description="A title, in one line.")] = None
    in_reply_to_id: Annotated[Id | None, Field(description="The post that this one answers.")] = None
    media_ids: Annotated[
        list[Id],
        Field(
            default_factory=list,
            description="Images that you uploaded and no post has yet.",
            json_schema_extra={"maxItems": MOST_MEDIA, "uniqueItems": True},
        ),
    ]


class PostChange(Body):
    """What to change in a post; what is absent stays."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    content: Annotated[Content, Field(description="The new text.")] = ""
    title: Annotated[Title | None, Field(description="The new title; null removes it.")] = None


async def posts(call: Call[PostsQuery, None]) -> Reply:
    """Return everybody's posts, newest first, replies included; or those with given ids, in their order, null where missing."""
    ctx, query = call.ctx, call.query
    show = posts_shown(ctx, query)
    if query.ids is None:
        return await listed(call, LATEST, lambda page: services.posts.latest(ctx, page), show)
    if query.is_asked:
        raise InvalidInput("Give either ids or a page, and not both.", field="ids")
    return Reply(await show(await services.posts.batch(ctx, query.ids)))


async def get(call: Call[PostShape, None]) -> Reply:
    """Return a post."""
    return await shown(call, await existing(call))


async def replies(call: Call[PostPage, None]) -> Reply:
    """Return a post's direct replies, newest first."""
    return await related(call, relations.POST_REPLIES, await existing(call), posts_shown(call.ctx, call.query))


async def likers(call: Call[UserPage, None]) -> Reply:
    """Return who likes a post, newest like first."""
    return await related(call, relations.POST_LIKERS, await existing(call), users_shown(call.ctx, call.query))


async def create(call: Call[PostShape, NewPost]) -> Reply:
    """Write a post or a reply."""
    body = call.body
    key = call.request.headers.get(KEY_HEADER)
    post = await services.posts.create(call.ctx, Draft(body.content, body.title, body.in_reply_to_id, key, body.media_ids))
    reply = await shown(call, post)
    return Reply(reply.value, {hdrs.LOCATION: f"{PREFIX}/posts/{post.id}"})


async def edit(call: Call[PostShape, PostChange]) -> Reply:
    """Change a post of your own."""
    given = call.body.model_fields_set
    content = call.body.content if "content" in given else UNCHANGED
    title = call.body.title if "title" in given else UNCHANGED
    return await shown(call, await services.posts.edit(call.ctx, call.id, content=content, title=title))


async def delete(call: Call[Query, None]) -> Reply:
    """Delete a post of your own; replies to it stay."""
    await services.posts.delete(call.ctx, call.id)
    return Reply()


async def like(call: Call[PostShape, None]) -> Reply:
    """Like a post; again changes nothing."""
    return await shown(call, await services.likes.add(call.ctx, call.id))


async def unlike(call: Call[PostShape, None]) -> Reply:
    """Take a like back; again changes nothing."""
    return await shown(call, await services.likes.remove(call.ctx, call.id))


async def existing(call: Call[Any, Any]) -> Post:
    """Return the post that the path names.

    Raises:
        NotFound: there is none that the viewer may see.
    """
    post = await services.posts.find(call.ctx, call.id)
    if post is None:
        raise NotFound(NO_SUCH_POST)
    return post


async def shown(call: Call[PostShape, Any], post: Post) -> Reply:
    """Return a post as the query string asks."""
    [row] = await posts_shown(call.ctx, call.query)([post])
    return Reply(row)


MISSING = ("NOT_FOUND",)
NOT_YOURS = ("NOT_FOUND", "FORBIDDEN")

ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        "GET",
        "/posts",
        "listPosts",
        posts,
        PostsQuery,
        list[schemas.Post | None],
        problems=("CURSOR_INVALID",),
        headers=("Link",),
    ),
    Route(
        "POST",
        "/posts",
        "createPost",
        create,
        PostShape,
        schemas.Post,
        NewPost,
        status=201,
        needs_session=True,
        takes_key=True,
        problems=("NOT_FOUND", "CONFLICT", "IDEMPOTENCY_MISMATCH"),
        headers=("Location",),
    ),
    Route("GET", "/posts/{id}", "getPost", get, PostShape, schemas.Post, problems=MISSING),
    Route("PATCH", "/posts/{id}", "editPost", edit, PostShape, schemas.Post, PostChange, needs_session=True, problems=NOT_YOURS),
    Route("DELETE", "/posts/{id}", "deletePost", delete, Query, None, status=204, needs_session=True, problems=NOT_YOURS),
    list_route("/posts/{id}/replies", "listReplies", replies, PostPage, schemas.Post, problems=MISSING),
    list_route("/posts/{id}/likers", "listLikers", likers, UserPage, schemas.User, problems=MISSING),
    Route("PUT", "/posts/{id}/like", "likePost", like, PostShape, schemas.Post, needs_session=True, problems=MISSING),
    Route("DELETE", "/posts/{id}/like", "unlikePost", unlike, PostShape, schemas.Post, needs_session=True, problems=MISSING),
)
