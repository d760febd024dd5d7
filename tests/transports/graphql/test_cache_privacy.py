"""No field that depends on the viewer is public by mistake: every field of the schema is asked for by three different people."""

from dataclasses import dataclass
from typing import Any

import pytest
from graphql import GraphQLField, GraphQLObjectType, get_named_type, is_leaf_type, is_required_argument

from app.domain.models import Viewer
from app.services.context import RequestContext
from app.services.reads import Reads
from app.transports.graphql.cache_policy import hint_of_field
from app.transports.graphql.documents import Document, Documents
from app.transports.graphql.parameters import Parameters
from app.transports.graphql.pipeline import Prepared, execute
from app.transports.graphql.schema import core_schema
from tests.clients import TestServer

SCHEMA = core_schema()
QUERY = SCHEMA.query_type
assert QUERY is not None
ABOUT_ANN = {("Query", "user"): 'id: "1"'}  # arguments that are not required, and yet needed
REQUIRED = {"id": '"11"', "ids": '["1", "11"]'}
WORLD = """
insert into users (id, username, name) values (1, 'ann', 'Ann'), (2, 'bob', 'Bob'), (3, 'cleo', 'Cleo');
insert into posts (id, author_id, title, content) values (11, 1, 'One', 'Of Ann'), (12, 2, 'Two', 'Of Bob');
insert into posts (id, author_id, content, in_reply_to_id, in_reply_to_author_id) values (13, 2, 'Reply', 11, 1);
insert into follows (follower_id, followee_id) values (2, 1), (1, 2);
insert into likes (user_id, post_id) values (2, 11), (2, 12);
insert into blobs (id, owner_id, media_type) values (31, 1, 'image/png'), (32, 1, 'image/webp');
insert into media (id, owner_id, post_id, position, media_type, width, height, size, file_id, thumbnail_id) values
    (41, 1, 11, 1, 'image/png', 8, 6, 99, 31, 32);
insert into sessions (id, user_id, token_hash, expires_at) values
    (22, 2, 'x', now() + interval '1 day'), (23, 3, 'y', now() + interval '1 day');
"""


@dataclass(frozen=True)
class Place:
    """A field of a type, and a document that shows it."""

    coordinate: str
    document: str


def arguments_of(type_: GraphQLObjectType, name: str, field: GraphQLField) -> str:
    """Return the arguments that a field needs; one of a new kind must be given a value above."""
    given = [f"{argument}: {REQUIRED[argument]}" for argument, value in field.args.items() if is_required_argument(value)]
    given += [ABOUT_ANN[type_.name, name]] if (type_.name, name) in ABOUT_ANN else []
    return f"({', '.join(given)})" if given else ""


def members_of(result: Any) -> list[GraphQLObjectType]:
    """Return the object types that a field's type may show."""
    return (
        [result]
        if isinstance(result, GraphQLObjectType)
        else []
        if is_leaf_type(result)
        else list(SCHEMA.get_possible_types(result))
    )


def places() -> list[Place]:
    """Return every field that a query can reach, each by the shortest way there that leads through no private field, if any."""
    found, seen = list[Place](), set[str]()
    waiting: list[Any] = [(QUERY, "{ ", " }")]
    private: list[Any] = []
    while waiting or private:
        type_, before, after = (waiting or private).pop(0)
        if type_.name in seen:
            continue
        seen.add(type_.name)
        for name, field in type_.fields.items():
            result = get_named_type(field.type)
            text = before + name + arguments_of(type_, name, field)
            found.append(Place(f"{type_.name}.{name}", text + ("" if is_leaf_type(result) else " { __typename }") + after))
            later = private if hint_of_field(SCHEMA, type_, name)[0].is_private else waiting
            for member in members_of(result):
                spread = ("", "") if member is result else (f"... on {member.name} {{ ", " }")
                later.append((member, f"{text} {{ {spread[0]}", f"{spread[1]} }}{after}"))
    return found


PLACES = places()


def test_every_object_that_a_query_can_show_is_looked_at():
    reached = {place.coordinate.partition(".")[0] for place in PLACES}

    assert {"Query", "User", "Post", "PostConnection", "PostEdge", "FeedEdge", "PageInfo", "RateLimit"} <= reached


@dataclass
class Asked:
    """What one person was answered."""

    data: Any
    is_personal: bool
    reads: Reads


@pytest.fixture
async def people(server: TestServer, db) -> dict[str, int | None]:
    """Nobody in particular, somebody close to everything, and somebody who has nothing to do with it; by user id."""
    await db.execute(WORLD)
    return {"anonymous": None, "close": 2, "stranger": 3}


async def asked_by(server: TestServer, documents: Documents, document: Document, user_id: int | None, text: str) -> Asked:
    """Ask as this person."""
    resources = server.running.resources
    viewer = None
    if user_id is not None:
        row = await resources.db.fetchrow("select user_id, id, expires_at from sessions where user_id = $1", user_id)
        assert row is not None
        viewer = Viewer(*row)
    ctx = RequestContext(resources, viewer, "127.0.0.1")
    ctx.reads = Reads()
    operation = document.operation(None)
    answer = await execute(ctx, documents, Prepared(operation, Parameters(query=text)))  # type: ignore[arg-type]  # valid
    return Asked(answer.data, ctx.is_personal, ctx.reads)


async def test_whatever_differs_between_viewers_or_looks_at_them_is_private(server, people):
    documents = Documents(SCHEMA, server.running.resources.settings, server.running.resources.metrics)
    wrong, unnoted = [], []
    for place in PLACES:
        document = documents.get(place.document)
        assert isinstance(document, Document), (place, document)
        policy = next(iter(document.operations.values())).policy
        answers = [await asked_by(server, documents, document, id_, place.document) for id_ in people.values()]
        depends = any(answer.is_personal for answer in answers) or any(answer.data != answers[0].data for answer in answers)
        if depends and not policy.is_private:
            wrong.append(place.coordinate)
        if policy.is_shareable and not answers[0].reads.tags:
            unnoted.append(place.coordinate)

    assert wrong == []
    assert unnoted == []  # an answer without tags would outlive every change


async def test_images_are_the_same_for_all_who_see_their_post_and_go_stale_with_it(server, people):
    documents = Documents(SCHEMA, server.running.resources.settings, server.running.resources.metrics)
    text = '{ post(id: "11") { media { id url thumbnailUrl type width height alt } } }'
    document = documents.get(text)
    assert isinstance(document, Document)
    assert next(iter(document.operations.values())).policy.is_shareable
    answers = [await asked_by(server, documents, document, id_, text) for id_ in people.values()]
    assert [answer.data["post"]["media"][0]["url"] for answer in answers] == ["/api/v1/media/41/file"] * 3
    assert [answer.reads.tags for answer in answers] == [{"Post:11"}] * 3
    assert not any(answer.is_personal for answer in answers)


async def test_the_viewer_s_own_fields_are_found_by_this_test(server, people):
    documents = Documents(SCHEMA, server.running.resources.settings, server.running.resources.metrics)
    private = set()
    for place in PLACES:
        document = documents.get(place.document)
        assert isinstance(document, Document)
        if next(iter(document.operations.values())).policy.is_private:
            private.add(place.coordinate)

    assert private >= {
        "Query.viewer",
        "Query.feed",
        "Query.rateLimit",
        "User.viewerIsFollowing",
        "User.viewerIsFollowedBy",
        "Post.viewerHasLiked",
    }
    assert not private & {"User.name", "Post.content", "Query.user", "Query.post", "Query.latestPosts", "PageInfo.hasNextPage"}
