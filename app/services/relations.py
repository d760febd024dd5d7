"""Every relation of the graph, declared once: the parent's key, and the fetch that answers many keys with one statement.

The GraphQL fields, REST's lists and whatever executes a query by plan are made from these declarations.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from app import stores
from app.domain.models import Media, Post, User
from app.domain.paging import Order, Page, Slice
from app.domain.shown import Fields, Listed, Text
from app.stores.columns import Columns
from app.stores.nodes import Node
from app.stores.rendering import Rendering

if TYPE_CHECKING:  # the context holds the loaders, which are made from these declarations
    from app.services.context import RequestContext

Parent = TypeVar("Parent")
Result = TypeVar("Result")
Row = TypeVar("Row")

# Of a request, keys and the sizes of all lists in the texts: things or lists as JSON, as the viewer may see them. None where
# somebody must note what is read, and so see the rows. One statement, perhaps shared.
Texts: TypeAlias = Callable[["RequestContext", Sequence[Any], tuple[int, ...]], Coroutine[Any, Any, Sequence[Text | None] | None]]


@dataclass(frozen=True, slots=True, eq=False)
class One(Generic[Parent, Result]):
    """A relation to one thing or one fact, found by the parent's `column` (None there: the parent has none).

    `join` is the name under which the parent's own store can read the thing's columns along, such as author in "author.name".
    A personal fact is between the thing and the viewer: no answer with it is ever given to anybody else.
    """

    name: str
    column: str
    fetch: Callable[["RequestContext", Sequence[Any], Columns], Awaitable[Sequence[Any]]]
    join: str | None = None
    by_viewer: bool = False  # what it finds may differ from viewer to viewer
    is_personal: bool = False  # it is about the viewer, whose answer is nobody else's

    def key(self, parent: Parent) -> Any:
        """Return the parent's key."""
        return getattr(parent, self.column)


@dataclass(frozen=True, slots=True, eq=False)
class Root(Generic[Result]):
    """A thing found by a key that the caller gives."""

    name: str
    fetch: Callable[["RequestContext", Sequence[Any], Columns], Awaitable[Sequence[Any]]]
    by_viewer: bool = False  # what it finds may differ from viewer to viewer
    is_rendered: bool = True  # the store can write it as JSON: see `Texts`

    def key(self, parent: Any) -> Any:
        """Return the key, which stands where relations have a parent."""
        return parent


@dataclass(frozen=True, slots=True, eq=False)
class Many(Generic[Parent, Row]):
    """A relation from the parent's id to a list in a fixed order, read a page at a time."""

    name: str
    fetch: Callable[["RequestContext", Sequence[int], Page, Columns], Awaitable[Sequence[Slice[Any]]]]
    key_parts: int  # integers in the sort key: 1 for an id, 2 for a time and an id
    column: str = "id"
    by_viewer: bool = False  # what it finds may differ from viewer to viewer
    is_rendered: bool = True  # the store can write it as JSON: see `Texts`

    def key(self, parent: Parent) -> int:
        """Return the parent's key."""
        return int(getattr(parent, self.column))

    def order(self, parent: Parent) -> Order:
        """Return the order of this parent's list, which its cursors carry."""
        return self.order_of(self.key(parent))

    def order_of(self, key: int) -> Order:
        """Return the order of the list of the parent with this key."""
        return Order(self.name, self.key_parts, str(key))


def with_column(ctx: "RequestContext", columns: Columns, name: str) -> Columns:
    """Return the columns and one more behind them, where somebody notes what is read and rows are no whole things."""
    return columns if columns is None or ctx.reads is None else (*columns, name)


def with_author_id(ctx: "RequestContext", columns: Columns) -> Columns:
    """Return a post's columns, and its author's id behind them where the author is joined and somebody notes what is read."""
    is_joined = columns is not None and any(name.startswith("author.") for name in columns)
    return with_column(ctx, columns, "author_id") if is_joined else columns


def note_posts(
    ctx: "RequestContext", tags: Iterable[str], pages: Sequence[Slice[Any]], columns: Columns, wanted: Columns
) -> None:
    """Note lists of posts, and the authors that were read along: `wanted` is `columns` and perhaps the author's id."""
    if ctx.reads:
        ctx.reads.lists(tags, pages, "Post")
        if columns is not None and wanted is not columns:
            place = len(columns)
            ctx.reads.users(row[place] for page in pages for row in page.rows)


async def users_by_ids(ctx: "RequestContext", ids: Sequence[int], columns: Columns = None) -> Sequence[User | None]:
    """Fetch users. One statement."""
    if ctx.holds_connection:
        users: Sequence[Any] = await stores.users.by_ids(ctx.db, ids, columns)
    else:
        users = await ctx.resources.lookups.users_by_ids(ids, columns, ctx.counts)
    if ctx.reads:
        ctx.reads.users(ids)
        ctx.reads.somebody(users)
    return users


async def users_by_usernames(ctx: "RequestContext", usernames: Sequence[str], columns: Columns = None) -> Sequence[User | None]:
    """Fetch users by name. One statement."""
    users = await stores.users.by_usernames(ctx.db, usernames, with_column(ctx, columns, "id"))
    if ctx.reads:
        ctx.reads.users(user.id if columns is None else user[len(columns)] for user in users if user is not None)
        ctx.reads.somebody(users)
    return users


async def posts_by_ids(ctx: "RequestContext", ids: Sequence[int], columns: Columns = None) -> Sequence[Post | None]:
    """Fetch the posts that the viewer may see. One statement."""
    wanted = with_author_id(ctx, columns)
    posts = await stores.posts.by_ids(ctx.db, ids, wanted, viewer_id=ctx.sees_as)
    if ctx.reads:
        ctx.reads.posts(ids)
        if columns is not None and wanted is not columns:
            ctx.reads.users(post[len(columns)] for post in posts if post is not None)
    return posts


async def _nodes_by_ids(ctx: "RequestContext", ids: Sequence[int], _columns: Columns = None) -> Sequence[Node | None]:
    nodes = await stores.nodes.by_ids(ctx.db, ids, viewer_id=ctx.sees_as)
    if ctx.reads:
        ctx.reads.users(ids)
        ctx.reads.posts(ids)
        ctx.reads.somebody(nodes)
    return nodes


async def _posts_of_authors(
    ctx: "RequestContext", ids: Sequence[int], page: Page, columns: Columns = None
) -> Sequence[Slice[Post]]:
    wanted = with_author_id(ctx, columns)
    pages = await stores.posts.by_authors(ctx.db, ids, page, wanted, viewer_id=ctx.sees_as)
    note_posts(ctx, (f"User:{id_}:posts" for id_ in ids), pages, columns, wanted)
    return pages


async def _replies(ctx: "RequestContext", ids: Sequence[int], page: Page, columns: Columns = None) -> Sequence[Slice[Post]]:
    wanted = with_author_id(ctx, columns)
    pages = await stores.posts.replies(ctx.db, ids, page, wanted, viewer_id=ctx.sees_as)
    note_posts(ctx, (f"Post:{id_}:replies" for id_ in ids), pages, columns, wanted)
    return pages


async def _followers(ctx: "RequestContext", ids: Sequence[int], page: Page, columns: Columns = None) -> Sequence[Slice[User]]:
    pages = await stores.follows.followers(ctx.db, ids, page, columns)
    if ctx.reads:
        ctx.reads.lists((f"User:{id_}:followers" for id_ in ids), pages, "User")
    return pages


async def _following(ctx: "RequestContext", ids: Sequence[int], page: Page, columns: Columns = None) -> Sequence[Slice[User]]:
    pages = await stores.follows.following(ctx.db, ids, page, columns)
    if ctx.reads:
        ctx.reads.lists((f"User:{id_}:following" for id_ in ids), pages, "User")
    return pages


async def _likers(ctx: "RequestContext", ids: Sequence[int], page: Page, columns: Columns = None) -> Sequence[Slice[User]]:
    pages = await stores.likes.likers(ctx.db, ids, page, columns)
    if ctx.reads:
        ctx.reads.lists((f"Post:{id_}:likers" for id_ in ids), pages, "User")
    return pages


async def _media(ctx: "RequestContext", ids: Sequence[int], _page: Page, columns: Columns = None) -> Sequence[Slice[Media]]:
    if ctx.reads:
        ctx.reads.posts(ids)  # images change with their post; those of an import come later, and unheard
    return await stores.media.of_posts(ctx.db, ids, columns)


async def _viewer_follows(ctx: "RequestContext", ids: Sequence[int], _columns: Columns = None) -> Sequence[bool]:
    if ctx.viewer_id is None:
        return [False] * len(ids)
    return await stores.follows.exist(ctx.db, [(ctx.viewer_id, id_) for id_ in ids])


async def _follow_viewer(ctx: "RequestContext", ids: Sequence[int], _columns: Columns = None) -> Sequence[bool]:
    if ctx.viewer_id is None:
        return [False] * len(ids)
    return await stores.follows.exist(ctx.db, [(id_, ctx.viewer_id) for id_ in ids])


async def _viewer_likes(ctx: "RequestContext", ids: Sequence[int], _columns: Columns = None) -> Sequence[bool]:
    if ctx.viewer_id is None:
        return [False] * len(ids)
    return await stores.likes.exist(ctx.db, ctx.viewer_id, ids)


def texts_of_things(name: str, fields: Fields) -> Texts:
    """Return how the things of a root are fetched as JSON."""
    return _texts(stores.rendering.rendering_of_things(name, fields))


def texts_of_lists(name: str, shown: Listed) -> Texts:
    """Return how the lists of a relation are fetched as JSON."""
    return _texts(stores.rendering.rendering_of_lists(name, shown))


def _texts(rendering: Rendering) -> Texts:
    async def texts(ctx: "RequestContext", keys: Sequence[Any], sizes: tuple[int, ...]) -> Sequence[Text | None] | None:
        if ctx.reads is not None:
            return None
        if ctx.holds_connection:
            return await stores.rendering.texts(ctx.db, rendering, keys, [ctx.sees_as] * len(keys), sizes)
        return await ctx.resources.lookups.rendered(rendering, keys, ctx.sees_as, sizes, ctx.counts)

    return texts


ALL_MEDIA = stores.media.ALL

# From a key to the thing: the roots of a query.
USER: Root[User | None] = Root("user", users_by_ids)
USER_BY_NAME: Root[User | None] = Root("userByName", users_by_usernames)
POST: Root[Post | None] = Root("post", posts_by_ids, by_viewer=True)
NODE: Root[Node | None] = Root("node", _nodes_by_ids, by_viewer=True, is_rendered=False)

# From a thing to its neighbours.
POST_AUTHOR: One[Post, User | None] = One("post.author", "author_id", users_by_ids, join="author")
POST_IN_REPLY_TO: One[Post, Post | None] = One("post.inReplyTo", "in_reply_to_id", posts_by_ids, by_viewer=True)
POST_REPLIES: Many[Post, Post] = Many("post.replies", _replies, key_parts=1, by_viewer=True)
POST_LIKERS: Many[Post, User] = Many("post.likers", _likers, key_parts=2)
POST_MEDIA: Many[Post, Media] = Many("post.media", _media, key_parts=1, is_rendered=False)  # read with the page ALL_MEDIA
USER_POSTS: Many[User, Post] = Many("user.posts", _posts_of_authors, key_parts=1, by_viewer=True)
USER_FOLLOWERS: Many[User, User] = Many("user.followers", _followers, key_parts=2)
USER_FOLLOWING: Many[User, User] = Many("user.following", _following, key_parts=2)

# Between a thing and the viewer.
VIEWER_IS_FOLLOWING: One[User, bool] = One("user.viewerIsFollowing", "id", _viewer_follows, by_viewer=True, is_personal=True)
VIEWER_IS_FOLLOWED_BY: One[User, bool] = One("user.viewerIsFollowedBy", "id", _follow_viewer, by_viewer=True, is_personal=True)
VIEWER_HAS_LIKED: One[Post, bool] = One("post.viewerHasLiked", "id", _viewer_likes, by_viewer=True, is_personal=True)
