"""The Node interface, and everything found by id alone."""

from typing import Annotated, TypeAlias

import strawberry

from app import services
from app.domain.ids import parse_id
from app.domain.models import Job as JobModel
from app.domain.models import Media as MediaModel
from app.domain.models import Post as PostModel
from app.domain.models import User as UserModel
from app.transports.graphql.costs import one_for_each
from app.transports.graphql.fields import Info

AnyModel: TypeAlias = UserModel | PostModel | JobModel | MediaModel


@strawberry.interface(description="A thing with an id that no other thing has, whatever its type.")
class Node:
    """A thing with an id."""

    id: strawberry.ID = strawberry.field(description="A decimal string of a 64-bit integer, unique across all types.")


ThingId = Annotated[strawberry.ID, strawberry.argument(description="The thing's id.")]
ThingIds = Annotated[list[strawberry.ID], strawberry.argument(description="At most 100 ids.")]


@strawberry.type
class NodeQueries:
    """Root fields that find any thing by its id."""

    @strawberry.field(graphql_type=Node | None, description="The thing with this id; null where it is unknown or hidden.")
    async def node(self, info: Info, id: ThingId) -> AnyModel | None:
        [node] = await services.users.nodes(info.context, [parse_id(id)])
        return node

    @strawberry.field(
        graphql_type=list[Node | None],
        description="The things with these ids, in their order; null where one is unknown or hidden.",
        directives=one_for_each("ids"),
    )
    async def nodes(self, info: Info, ids: ThingIds) -> list[AnyModel | None]:
        return await services.users.nodes(info.context, [parse_id(id_, field="ids") for id_ in ids])
