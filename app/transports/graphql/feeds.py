"""Home feeds."""

from typing import Any

import strawberry
from strawberry import UNSET

from app import services
from app.transports.graphql.cache_policy import PERSONAL
from app.transports.graphql.connections import After, Before, Connection, FeedConnection, First, Last, wished_page
from app.transports.graphql.costs import PAGED
from app.transports.graphql.fields import Info


@strawberry.type
class FeedQueries:
    """The root field of the home feed."""

    @strawberry.field(
        graphql_type=FeedConnection,
        description="The viewer's home feed, newest first: posts by them and by those they follow, and replies among these.",
        directives=[*PAGED, PERSONAL],
    )
    async def feed(
        self, info: Info, first: First = UNSET, after: After = UNSET, last: Last = UNSET, before: Before = UNSET
    ) -> Any:
        order = services.posts.home_order(info.context)
        page = wished_page(info.context, order, first=first, after=after, last=last, before=before)
        return Connection(order, await services.posts.home(info.context, page))
