"""The schema: the nouns' root fields put together."""

import strawberry
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from app.transports.graphql.feeds import FeedQueries
from app.transports.graphql.nodes import NodeQueries
from app.transports.graphql.posts import Post, PostMutations, PostQueries, PostSubscriptions
from app.transports.graphql.scalars import SCALARS
from app.transports.graphql.sessions import SessionMutations
from app.transports.graphql.users import User, UserMutations, UserQueries


@strawberry.type(description="What can be read.")
class Query(UserQueries, PostQueries, FeedQueries, NodeQueries):
    """What can be read."""


@strawberry.type(description="What can be done.")
class Mutation(SessionMutations, PostMutations, UserMutations):
    """What can be done."""


@strawberry.type(description="What can be listened to. Every `next` carries its position as extensions.cursor.")
class Subscription(PostSubscriptions):
    """What can be listened to."""


SCHEMA = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[User, Post],
    config=StrawberryConfig(scalar_map=SCALARS),
)


def core_schema() -> GraphQLSchema:
    """Return the schema as graphql-core sees it: what parses, validates and executes."""
    return SCHEMA._schema


def as_text() -> str:
    """Return the schema in the schema definition language, as `schema.graphql` holds it."""
    return SCHEMA.as_str() + "\n"
