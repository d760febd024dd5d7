"""What the caller may still ask for."""

from typing import Annotated, Any

from aiohttp import hdrs
from pydantic import Field
from typing_extensions import TypedDict

from app import services
from app.domain.times import wire_time
from app.transports.resources import Time
from app.transports.rest.declaring import Call, Query, Reply, Route


class RateLimitResource(TypedDict):
    """The caller's budget in points: a request costs about one for each resource shown."""

    limit: Annotated[int, Field(description="Points in a full bucket.")]
    remaining: Annotated[int, Field(description="Points that are left, this request paid.")]
    cost: Annotated[int, Field(description="What this request costs.")]
    resetAt: Annotated[Time, Field(description="When the bucket is full again.")]


async def rate_limit(call: Call[Query, None]) -> Reply:
    """Return the caller's budget."""
    charge, left, reset_at = services.budgets.now(call.ctx)
    value: RateLimitResource = {
        "limit": left.budget.points,
        "remaining": left.remaining,
        "cost": charge.requested if charge else 0,
        "resetAt": wire_time(reset_at),
    }
    return Reply(value, {hdrs.CACHE_CONTROL: "no-store"})


ROUTES: tuple[Route[Any, Any], ...] = (Route("GET", "/rate-limit", "getRateLimit", rate_limit, Query, RateLimitResource),)
