"""Everything found by id alone."""

from typing import Annotated, Any

from pydantic import Field

from app import services
from app.domain.models import User
from app.settings import Settings
from app.transports.resources import PostResource, UserResource, post_resource, user_resource
from app.transports.rest.declaring import Call, Query, Reply, Route
from app.transports.rest.reading import Id, Separated


class NodesQuery(Query):
    """Which things."""

    ids: Annotated[tuple[Id, ...], Separated, Field(description="At most 100 ids of people and posts, such as 1,2,3.")]

    def most_objects(self, _limits: Settings) -> int:
        """Return how many resources the batch brings."""
        return len(self.ids)


async def nodes(call: Call[NodesQuery, None]) -> Reply:
    """Return people and posts by their ids, in that order; null where there is nothing that the viewer may see."""
    found = await services.users.nodes(call.ctx, call.query.ids)
    return Reply(
        [None if node is None else user_resource(node) if isinstance(node, User) else post_resource(node) for node in found]
    )


ROUTES: tuple[Route[Any, Any], ...] = (
    Route("GET", "/nodes", "getNodes", nodes, NodesQuery, list[UserResource | PostResource | None]),
)
