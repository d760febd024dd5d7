"""Everything found by id alone."""

from typing import Annotated, Any

from pydantic import Field

from app import services
from app.domain.models import Job, Post, User
from app.settings import Settings
from app.transports.resources import JobResource, PostResource, UserResource, job_resource, post_resource, user_resource
from app.transports.rest.declaring import Call, Query, Reply, Route
from app.transports.rest.reading import Id, Separated


class NodesQuery(Query):
    """Which things."""

    ids: Annotated[tuple[Id, ...], Separated, Field(description="At most 100 ids of people, posts and jobs, such as 1,2,3.")]

    def most_objects(self, _limits: Settings) -> int:
        """Return how many resources the batch brings."""
        return len(self.ids)


async def nodes(call: Call[NodesQuery, None]) -> Reply:
    """Return people, posts and jobs by their ids, in that order; null where there is nothing that the viewer may see."""
    found = await services.users.nodes(call.ctx, call.query.ids)
    return Reply([None if node is None else resource(node) for node in found])


def resource(node: User | Post | Job) -> UserResource | PostResource | JobResource:
    """Return a thing of any type as JSON."""
    if isinstance(node, User):
        return user_resource(node)
    return job_resource(node) if isinstance(node, Job) else post_resource(node)


ROUTES: tuple[Route[Any, Any], ...] = (
    Route("GET", "/nodes", "getNodes", nodes, NodesQuery, list[UserResource | PostResource | JobResource | None]),
)
