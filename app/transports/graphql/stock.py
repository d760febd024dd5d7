"""The stock executor: Strawberry's own `Schema.execute`, with the ordinary resolvers and their loaders for everything.

It is there to be compared with (`FEEDGRAPH_EXECUTOR=stock`, `feedgraph bench engine`): the same schema, limits and answers by the
way that a Strawberry server goes without plans. Strawberry's caches for parsed and validated documents are on.
"""

from typing import Any

from strawberry.types import ExecutionResult

from app.services.context import RequestContext
from app.transports.graphql.documents import Operation
from app.transports.graphql.schema import SCHEMA


async def executed(ctx: RequestContext, operation: Operation, given: dict[str, Any] | None) -> ExecutionResult:
    """Execute a query or a mutation whose document is valid and whose variables are acceptable."""
    text = operation.ast.loc.source.body if operation.ast.loc else ""
    return await SCHEMA.execute(text, given, context_value=ctx, operation_name=operation.name)
