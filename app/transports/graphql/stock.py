"""The stock executor: Strawberry's own `Schema.execute`, with the ordinary resolvers and their loaders for everything.

It is there to be compared with (`FEEDGRAPH_EXECUTOR=stock`, `feedgraph bench engine`): the same schema, limits and answers by the
way that a Strawberry server goes without plans. Strawberry's caches for parsed and validated documents are on.
"""

from graphql import DocumentNode
from strawberry.types import ExecutionResult

from app.services.context import RequestContext
from app.transports.graphql.parameters import Parameters
from app.transports.graphql.schema import SCHEMA


async def executed(ctx: RequestContext, document: DocumentNode, parameters: Parameters) -> ExecutionResult:
    """Execute a query or a mutation whose document is valid and whose variables are acceptable."""
    text = document.loc.source.body if document.loc else ""
    return await SCHEMA.execute(text, parameters.variables, context_value=ctx, operation_name=parameters.operation_name)
