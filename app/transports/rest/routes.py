"""The addresses of the REST face."""

from aiohttp import web

from app.transports.rest import jobs, posts, users
from app.transports.rest.answers import answering

PREFIX = "/api/v1"


def add_routes(app: web.Application) -> None:
    """Mount the REST face."""
    for path, handler in (
        ("/users/{id}", users.get),
        ("/users/{id}/posts", users.posts),
        ("/users/{id}/followers", users.followers),
        ("/posts/{id}", posts.get),
        ("/posts/{id}/replies", posts.replies),
        ("/feed", posts.feed),
        ("/jobs", jobs.page),
        ("/jobs/{id}", jobs.get),
    ):
        app.router.add_get(PREFIX + path, answering(handler))
    app.router.add_post(PREFIX + "/posts", answering(posts.create))
    app.router.add_get(PREFIX + "/jobs/{id}/result", answering(jobs.result, is_long=True), allow_head=False)
    app.router.add_delete(PREFIX + "/jobs/{id}", answering(jobs.cancel))
    app.router.add_post(PREFIX + "/account-deletions", answering(jobs.delete_account))
    app.router.add_post(PREFIX + "/imports", answering(jobs.import_archive, is_long=True))
    app.router.add_post(PREFIX + "/exports", answering(jobs.export))
