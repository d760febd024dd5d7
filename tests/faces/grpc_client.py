"""The gRPC face behind the small client interface: messages become rows with REST's keys."""

from datetime import UTC
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from app.domain.times import wire_time
from app.transports.grpc.stubs import feeds_pb2, follows_pb2, jobs_pb2, pages_pb2, posts_pb2, sessions_pb2, users_pb2
from tests.clients import Person
from tests.faces.rows import Page, Refused, Row
from tests.grpc_calls import Stubs, refusal_of, signed

NUMBER_AS_CONTENT = b"\x08\x01"  # field 1 with the wire type of a number


def shown_time(message: Timestamp) -> str:
    """Return a time as the other faces have it."""
    return wire_time(message.ToDatetime(UTC))


def given(message: Any, field: str) -> Any:
    """Return a field's value, None where it is absent."""
    return getattr(message, field) if message.HasField(field) else None


def shown_post(post: posts_pb2.Post) -> Row:
    """Return a post with REST's keys."""
    return {
        "postId": post.post_id,
        "title": given(post, "title"),
        "content": post.content,
        "authorId": post.author_id,
        "createdAt": shown_time(post.created_at),
        "editedAt": shown_time(post.edited_at) if post.HasField("edited_at") else None,
        "inReplyToId": given(post, "in_reply_to_id"),
        "likesCount": post.likes_count,
        "repliesCount": post.replies_count,
        "repostsCount": post.reposts_count,
    }


def shown_user(user: users_pb2.User) -> Row:
    """Return a user with REST's keys."""
    return {
        "userId": user.user_id,
        "username": user.username,
        "name": user.name,
        "bio": given(user, "bio"),
        "avatarUrl": given(user, "avatar_url"),
        "createdAt": shown_time(user.created_at),
        "followersCount": user.followers_count,
        "followingCount": user.following_count,
        "postsCount": user.posts_count,
    }


def shown_page(rows: list[Row], info: pages_pb2.PageInfo) -> Page:
    """Return a page in the form that all faces can give."""
    return Page(rows, info.end_cursor if info.has_next_page else None, info.start_cursor if info.has_previous_page else None)


class GRPC:
    """The gRPC face."""

    def __init__(self, stubs: Stubs, person: Person | None) -> None:
        self._stubs = stubs
        self._metadata = signed(person)

    async def send(self, method: Any, request: Any) -> Any:
        """Return the response."""
        call = method(request, metadata=self._metadata)
        try:
            return await call
        except aio.AioRpcError:
            raise Refused((await refusal_of(call)).code) from None

    async def write(self, content: Any, **fields: Any) -> Row:
        """Write a post."""
        if not isinstance(content, str):
            raw: Any = self._stubs.channel.unary_unary("/PostService/CreatePost")
            return shown_post(posts_pb2.Post.FromString(await self.send(raw, NUMBER_AS_CONTENT)))
        names = {"inReplyToId": "in_reply_to_id", "idempotencyKey": "idempotency_key", "mediaIds": "media_ids"}
        request = posts_pb2.CreatePostRequest(content=content, **{names.get(name, name): fields[name] for name in fields})
        return shown_post(await self.send(self._stubs.posts.CreatePost, request))

    async def post(self, id_: str) -> Row:
        """Read a post."""
        return shown_post(await self.send(self._stubs.posts.GetPost, posts_pb2.GetPostRequest(post_id=id_)))

    async def user(self, id_: str) -> Row:
        """Read a profile."""
        return shown_user(await self.send(self._stubs.users.GetUser, users_pb2.GetUserRequest(user_id=id_)))

    async def posts(self, user_id: str, **page: Any) -> Page:
        """Read a page of somebody's posts."""
        request = posts_pb2.UserRequest(user_id=user_id, page=pages_pb2.Page(**page))
        return self._posts(await self.send(self._stubs.posts.GetPostsForUser, request))

    async def followers(self, user_id: str, **page: Any) -> Page:
        """Read a page of somebody's followers."""
        request = follows_pb2.GetFollowsRequest(user_id=user_id, page=pages_pb2.Page(**page))
        found = await self.send(self._stubs.follows.GetFollowers, request)
        return shown_page([shown_user(user) for user in found.users], found.page_info)

    async def replies(self, post_id: str, **page: Any) -> Page:
        """Read a page of a post's replies; the batch of one post marks a missing one instead of refusing."""
        request = posts_pb2.GetRepliesRequest(post_ids=[post_id], page=pages_pb2.Page(**page))
        [entry] = (await self.send(self._stubs.posts.GetReplies, request)).entries
        if not entry.HasField("replies"):
            raise Refused("NOT_FOUND")
        return self._posts(entry.replies)

    async def feed(self, **page: Any) -> Page:
        """Read a page of the home feed."""
        request = feeds_pb2.GetHomeFeedRequest(page=pages_pb2.Page(**page))
        return self._posts(await self.send(self._stubs.feeds.GetHomeFeed, request))

    async def sign_up(self, **account: Any) -> tuple[str, Row]:
        """Make an account; return a token and the user."""
        session = await self.send(self._stubs.sessions.SignUp, sessions_pb2.SignUpRequest(**account))
        return session.token, shown_user(session.user)

    async def sign_in(self, **credentials: Any) -> tuple[str, Row]:
        """Make a session; return its token and the user."""
        session = await self.send(self._stubs.sessions.SignIn, sessions_pb2.SignInRequest(**credentials))
        return session.token, shown_user(session.user)

    async def sign_out(self) -> None:
        """End the session."""
        await self.send(self._stubs.sessions.SignOut, Empty())

    async def edit(self, id_: str, **changes: Any) -> Row:
        """Change a post."""
        return shown_post(await self.send(self._stubs.posts.EditPost, posts_pb2.EditPostRequest(post_id=id_, **changes)))

    async def delete(self, id_: str) -> None:
        """Delete a post."""
        await self.send(self._stubs.posts.DeletePost, posts_pb2.PostRequest(post_id=id_))

    async def like(self, id_: str, *, on: bool = True) -> Row:
        """Like a post, or take that back."""
        method = self._stubs.posts.LikePost if on else self._stubs.posts.UnlikePost
        return shown_post(await self.send(method, posts_pb2.PostRequest(post_id=id_)))

    async def follow(self, id_: str, *, on: bool = True) -> Row:
        """Follow somebody, or stop."""
        method = self._stubs.follows.FollowUser if on else self._stubs.follows.UnfollowUser
        return shown_user(await self.send(method, follows_pb2.FollowRequest(user_id=id_)))

    async def job(self, id_: str) -> Row:
        """Read a job."""
        job = await self.send(self._stubs.jobs.GetJob, jobs_pb2.JobRequest(job_id=id_))
        return {
            "jobId": job.job_id,
            "kind": job.kind,
            "state": jobs_pb2.JobState.Name(job.state).removeprefix("JOB_"),
            "done": job.done,
            "total": given(job, "total"),
            "attempts": job.attempts,
            "errorCode": given(job, "error_code"),
            "resultUrl": given(job, "result_url"),
            "createdAt": shown_time(job.created_at),
            "finishedAt": shown_time(job.finished_at) if job.HasField("finished_at") else None,
        }

    async def images(self, post_id: str) -> list[Row]:
        """Read a post's images."""
        post = await self.send(self._stubs.posts.GetPost, posts_pb2.GetPostRequest(post_id=post_id, with_media=True))
        return [
            {
                "mediaId": media.media_id,
                "url": media.url,
                "thumbnailUrl": media.thumbnail_url,
                "type": media.type,
                "width": media.width,
                "height": media.height,
                "alt": given(media, "alt"),
            }
            for media in post.media
        ]

    def _posts(self, found: posts_pb2.PostList) -> Page:
        return shown_page([shown_post(post) for post in found.posts], found.page_info)
