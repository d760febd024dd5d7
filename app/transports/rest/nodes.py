"""Everything found by id alone."""

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from app import services
from app.domain.models import Job, Media, Post, User
from app.settings import Settings
from app.transports.resources import (
    JobResource,
    MediaResource,
    PostResource,
    UserResource,
    job_resource,
    media_resource,
    post_resource,
    user_resource,
)
from app.transports.rest.declaring import Call, Query, Reply, Route
from app.transports.rest.reading import Id, Separated

AnyResource: TypeAlias = UserResource | PostResource | JobResource | MediaResource


class NodesQuery(Query):
    """Which things."""

    ids: Annotated[
        tuple[Id, ...], Separated, Field(description="At most 100 ids of people, posts, jobs and images, such as 1,2,3.")
    ]

    def most_objects(self, _limits: Settings) -> int:
        """Return how many resources the batch brings."""
        return len(self.ids)


async def nodes(call: Call[NodesQuery, None]) -> Reply:
    """Return people, posts, jobs and images by their ids, in that order; null where there is nothing that the viewer may see."""
    found = await services.users.nodes(call.ctx, call.query.ids)
    return Reply([None if node is None else resource(node) for node in found])


def resource(node: User | Post | Job | Media) -> AnyResource:
    """Return a thing of any type as JSON."""
    match node:
        case User():
            return user_resource(node)
        case Post():
            return post_resource(node)
        case Job():
            return job_resource(node)
        case Media():
            return media_resource(node)


ROUTES: tuple[Route[Any, Any], ...] = (Route("GET", "/nodes", "getNodes", nodes, NodesQuery, list[AnyResource | None]),)
