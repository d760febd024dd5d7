"""What the caller may still ask for."""

from datetime import datetime

import strawberry

from app import services
from app.transports.graphql.cache_policy import PERSONAL
from app.transports.graphql.costs import FREE
from app.transports.graphql.fields import Info


@strawberry.type(
    description="The caller's budget in points: an operation costs about one for each object shown.", directives=FREE
)
class RateLimit:
    """The caller's budget."""

    limit: int = strawberry.field(description="Points in a full bucket.")
    remaining: int = strawberry.field(description="Points that are left, this operation paid.")
    cost: int = strawberry.field(description="What this operation costs at most; what it does not need comes back at its end.")
    reset_at: datetime = strawberry.field(description="When the bucket is full again.")


@strawberry.type
class RateLimitQueries:
    """The root field of the budget."""

    @strawberry.field(description="The caller's budget.", directives=[PERSONAL])
    async def rate_limit(self, info: Info) -> RateLimit:
        charge, left, reset_at = services.budgets.now(info.context)
        cost = charge.requested if charge else 0
        return RateLimit(limit=left.budget.points, remaining=left.remaining, cost=cost, reset_at=reset_at)
