"""The schema against what was agreed with its clients: names, arguments, nullability, defaults and descriptions."""

from pathlib import Path

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    build_schema,
    find_breaking_changes,
    parse,
    validate,
)

from app.transports.graphql import schema

AGREED = """
scalar DateTime
scalar Cursor
scalar EventCursor
interface Node { id: ID! }
type Query {
  viewer: User
  user(id: ID, username: String): User
  post(id: ID!): Post
  node(id: ID!): Node
  nodes(ids: [ID!]!): [Node]!
  feed(first: Int, after: Cursor, last: Int, before: Cursor): FeedConnection!
  latestPosts(first: Int, after: Cursor, last: Int, before: Cursor): PostConnection!
  eventCursor: EventCursor!
  job(id: ID!): Job
}
type User implements Node {
  id: ID!
  username: String!
  name: String!
  bio: String
  avatarUrl: String
  createdAt: DateTime!
  followersCount: Int!
  followingCount: Int!
  postsCount: Int!
  posts(first: Int = 20): [Post!]!
  postsConnection(first: Int, after: Cursor, last: Int, before: Cursor): PostConnection!
  followers(first: Int, after: Cursor, last: Int, before: Cursor): UserConnection!
  following(first: Int, after: Cursor, last: Int, before: Cursor): UserConnection!
  viewerIsFollowing: Boolean!
  viewerIsFollowedBy: Boolean!
}
type Post implements Node {
  id: ID!
  title: String
  content: String!
  createdAt: DateTime!
  editedAt: DateTime
  author: User!
  inReplyTo: Post
  replies(first: Int = 3): [Post!]!
  repliesConnection(first: Int, after: Cursor, last: Int, before: Cursor): PostConnection!
  likesCount: Int!
  repliesCount: Int!
  repostsCount: Int!
  viewerHasLiked: Boolean!
  likers(first: Int, after: Cursor, last: Int, before: Cursor): UserConnection!
}
type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: Cursor endCursor: Cursor }
type PostConnection { edges: [PostEdge!]! nodes: [Post!]! pageInfo: PageInfo! }
type PostEdge { cursor: Cursor! node: Post! }
type UserConnection { edges: [UserEdge!]! nodes: [User!]! pageInfo: PageInfo! }
type UserEdge { cursor: Cursor! node: User! }
type FeedConnection { edges: [FeedEdge!]! nodes: [Post!]! pageInfo: PageInfo! }
type FeedEdge { cursor: Cursor! node: Post! }
type Mutation {
  signUp(input: SignUpInput!): SignInPayload!
  signIn(input: SignInInput!): SignInPayload!
  signOut: Boolean!
  createPost(input: CreatePostInput!): PostPayload!
  editPost(input: EditPostInput!): PostPayload!
  deletePost(id: ID!): DeletePostPayload!
  likePost(id: ID!): PostPayload!
  unlikePost(id: ID!): PostPayload!
  followUser(id: ID!): UserPayload!
  unfollowUser(id: ID!): UserPayload!
  requestExport: JobPayload!
  deleteAccount(password: String!): JobPayload!
}
type JobPayload { job: Job! }
enum JobState { QUEUED RUNNING SUCCEEDED FAILED CANCELLED }
type Job implements Node {
  id: ID!
  kind: String!
  state: JobState!
  done: Int!
  total: Int
  attempts: Int!
  errorCode: String
  resultUrl: String
  createdAt: DateTime!
  finishedAt: DateTime
}
input SignUpInput { username: String! password: String! name: String! }
input SignInInput { username: String! password: String! }
input CreatePostInput { content: String! title: String inReplyToId: ID idempotencyKey: String }
input EditPostInput { id: ID! content: String title: String }
type SignInPayload { token: String! user: User! }
type PostPayload { post: Post! }
type UserPayload { user: User! }
type DeletePostPayload { id: ID! }
type Subscription {
  postAdded(authorId: ID, after: EventCursor): Post!
  jobUpdated(id: ID!, after: EventCursor): Job!
}
"""
# The query that every client of the classic example sends, word for word.
CLASSIC = 'query { user(id: "123") { posts { title author { name } } } }'

CORE = schema.core_schema()
OWN_TYPES = [type_ for name, type_ in CORE.type_map.items() if not name.startswith("__")]
WITH_FIELDS = [
    type_ for type_ in OWN_TYPES if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType)
]


def test_the_committed_schema_is_the_one_that_is_served():
    committed = Path(__file__).parents[2] / "schema.graphql"
    assert committed.read_text(encoding="utf-8") == schema.as_text(), "run `feedgraph schema` and commit schema.graphql"


def test_nothing_that_was_agreed_is_missing_or_looser():
    changes = find_breaking_changes(build_schema(AGREED), CORE)
    assert [change.description for change in changes] == []


def test_the_classic_query_is_valid():
    assert validate(CORE, parse(CLASSIC)) == []


@pytest.mark.parametrize("type_", OWN_TYPES, ids=str)
def test_every_type_is_described(type_: GraphQLNamedType):
    assert (type_.description or "").strip()


@pytest.mark.parametrize("type_", WITH_FIELDS, ids=str)
def test_every_field_and_argument_is_described(type_: GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
    silent = [name for name, field in type_.fields.items() if not (field.description or "").strip()]
    for name, field in type_.fields.items():
        silent += [
            f"{name}({argument})"
            for argument, value in getattr(field, "args", {}).items()
            if not (value.description or "").strip()
        ]
    assert silent == []


@pytest.mark.parametrize("line", ["first: Int = 20", "first: Int = 3"])
def test_default_sizes_are_printed(line: str):
    assert f"    {line}\n  ): [Post!]!" in schema.as_text()
