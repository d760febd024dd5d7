"""The schema: the nouns' root fields put together."""

from typing import Any

import strawberry
from graphql import GraphQLError, GraphQLField, GraphQLFieldResolver, GraphQLResolveInfo, GraphQLSchema, default_field_resolver
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from app.transports.graphql.feeds import FeedQueries
from app.transports.graphql.jobs import Job, JobMutations, JobQueries, JobSubscriptions
from app.transports.graphql.media import Media
from app.transports.graphql.nodes import NodeQueries
from app.transports.graphql.posts import Post, PostMutations, PostQueries
from app.transports.graphql.rate_limit import RateLimitQueries
from app.transports.graphql.scalars import SCALARS
from app.transports.graphql.sessions import SessionMutations
from app.transports.graphql.streams import PostSubscriptions
from app.transports.graphql.users import User, UserMutations, UserQueries


@strawberry.type(description="What can be read.")
class Query(UserQueries, PostQueries, FeedQueries, NodeQueries, JobQueries, RateLimitQueries):
    """What can be read."""


@strawberry.type(description="What can be done.")
class Mutation(SessionMutations, PostMutations, UserMutations, JobMutations):
    """What can be done."""


@strawberry.type(description="What can be listened to. Every `next` carries its position as extensions.cursor.")
class Subscription(PostSubscriptions, JobSubscriptions):
    """What can be listened to."""


class Schema(strawberry.Schema):
    """Strawberry's schema; what goes wrong in its `execute` is presented and logged as everywhere else."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing."""


SCHEMA = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[User, Post, Job, Media],
    config=StrawberryConfig(scalar_map=SCALARS),
    extensions=[ParserCache, ValidationCache],  # for `execute`, which only the stock executor calls
)


def remembering(field: GraphQLField) -> GraphQLFieldResolver:
    """Return a mutation's resolver that does nothing a second time: where graphql-core completes what a plan began, the root
    value holds what the resolvers gave or raised before."""
    resolve = field.resolve or default_field_resolver

    def resolve_once(done: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        if not done or info.path.key not in done:
            return resolve(None, info, **arguments)
        outcome = done[info.path.key]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return resolve_once


def core() -> GraphQLSchema:
    """Return graphql-core's schema behind Strawberry's, its mutations made to remember."""
    schema = SCHEMA._schema
    for mutation in schema.mutation_type.fields.values() if schema.mutation_type else ():
        mutation.resolve = remembering(mutation)
    return schema


CORE = core()


def core_schema() -> GraphQLSchema:
    """Return the schema as graphql-core sees it: what parses, validates and executes."""
    return CORE


def as_text() -> str:
    """Return the schema in the schema definition language, as `schema.graphql` holds it."""
    return SCHEMA.as_str() + "\n"
