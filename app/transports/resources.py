"""Resources: the JSON forms of the nouns, with keys in camelCase, the same in a REST answer and in a live event."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from app.domain.ids import DECIMAL
from app.domain.models import Job, JobState, Media, Post, User
from app.domain.times import wire_time

Id = Annotated[str, Field(pattern=f"^{DECIMAL.pattern}$", examples=["123"])]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-22T07:00:00.000Z"])]
Count = Annotated[int, Field(ge=0)]


class UserResource(TypedDict):
    """A person."""

    userId: Id
    username: Annotated[str, Field(description="The name in addresses and mentions: 3 to 30 of a-z, 0-9 and _.")]
    name: Annotated[str, Field(description="The name as people write it.")]
    bio: Annotated[str | None, Field(description="What they say of themselves.")]
    avatarUrl: Annotated[str | None, Field(description="Where their picture is.")]
    createdAt: Annotated[Time, Field(description="When they signed up.")]
    followersCount: Count
    followingCount: Count
    postsCount: Annotated[Count, Field(description="How many posts they have, replies included.")]


class PostResource(TypedDict):
    """A post or a reply."""

    postId: Id
    title: str | None
    content: str
    authorId: Id
    createdAt: Annotated[Time, Field(description="When it was written.")]
    editedAt: Annotated[Time | None, Field(description="When it was changed last; null when never.")]
    inReplyToId: Annotated[Id | None, Field(description="The post that it answers; null for a post of its own.")]
    likesCount: Count
    repliesCount: Annotated[Count, Field(description="How many direct replies it has.")]
    repostsCount: Count


def user_resource(user: User) -> UserResource:
    """Return a user as JSON."""
    return {
        "userId": str(user.id),
        "username": user.username,
        "name": user.name,
        "bio": user.bio,
        "avatarUrl": user.avatar_url,
        "createdAt": wire_time(user.created_at),
        "followersCount": user.followers_count,
        "followingCount": user.following_count,
        "postsCount": user.posts_count,
    }


def post_resource(post: Post) -> PostResource:
    """Return a post as JSON."""
    return {
        "postId": str(post.id),
        "title": post.title,
        "content": post.content,
        "authorId": str(post.author_id),
        "createdAt": wire_time(post.created_at),
        "editedAt": wire_time(post.edited_at) if post.edited_at else None,
        "inReplyToId": str(post.in_reply_to_id) if post.in_reply_to_id else None,
        "likesCount": post.likes_count,
        "repliesCount": post.replies_count,
        "repostsCount": post.reposts_count,
    }


class MediaResource(TypedDict):
    """An image."""

    mediaId: Id
    postId: Annotated[Id | None, Field(description="The post that it belongs to; null while it waits for one.")]
    url: Annotated[str, Field(description="Where it is fetched.")]
    thumbnailUrl: Annotated[str, Field(description="Where it is fetched small.")]
    type: Annotated[Literal["image/png", "image/jpeg", "image/webp"], Field(description="Of what is kept: a GIF became a PNG.")]
    width: Annotated[int, Field(ge=1, description="In pixels.")]
    height: Annotated[int, Field(ge=1, description="In pixels.")]
    size: Annotated[int, Field(ge=1, description="In bytes.")]
    alt: Annotated[str | None, Field(description="What it shows.")]
    createdAt: Time


def media_resource(media: Media) -> MediaResource:
    """Return an image as JSON."""
    return {
        "mediaId": str(media.id),
        "postId": str(media.post_id) if media.post_id else None,
        "url": media.url,
        "thumbnailUrl": media.thumbnail_url,
        "type": media.media_type,  # type: ignore[typeddict-item]  # images are written as these
        "width": media.width,
        "height": media.height,
        "size": media.size,
        "alt": media.alt,
        "createdAt": wire_time(media.created_at),
    }


class JobResource(TypedDict):
    """Slow work that was accepted."""

    jobId: Id
    kind: Annotated[str, Field(description="What is done: export, import or account_deletion.")]
    state: Annotated[Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"], Field(description="Where it stands.")]
    done: Annotated[Count, Field(description="How many steps are done (rows, posts or images, by its kind).")]
    total: Annotated[Count | None, Field(description="How many steps there are; null while that is not known.")]
    attempts: Annotated[Count, Field(description="How often it was started.")]
    errorCode: Annotated[str | None, Field(description="Why it failed, by a code as problems have it.")]
    resultUrl: Annotated[str | None, Field(description="Where to fetch what it made.")]
    createdAt: Time
    finishedAt: Time | None


def job_resource(job: Job) -> JobResource:
    """Return a job as JSON."""
    return {
        "jobId": str(job.id),
        "kind": job.kind,
        "state": job.state.name,  # type: ignore[typeddict-item]  # the names are these
        "done": job.done,
        "total": job.total,
        "attempts": job.attempts,
        "errorCode": job.error_code,
        "resultUrl": result_url(job),
        "createdAt": wire_time(job.created_at),
        "finishedAt": wire_time(job.finished_at) if job.finished_at else None,
    }


def result_url(job: Job) -> str | None:
    """Return where the result of a job is fetched, None where there is nothing to fetch, or not yet."""
    if job.state is not JobState.SUCCEEDED or job.result is None:
        return None
    return str(job.result["url"]) if "url" in job.result else f"/api/v1/jobs/{job.id}/result"
