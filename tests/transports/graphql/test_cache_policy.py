"""Cache policies: Apollo Server's documented examples, and what is stricter here."""

import pytest
import strawberry
from graphql import OperationDefinitionNode, parse
from strawberry import UNSET

from app.transports.graphql.cache_policy import CacheControl, Policy, Scope, policy_of
from app.transports.graphql.schema import core_schema


def hint(max_age=UNSET, scope=UNSET, inherit=UNSET):
    """Return the directives of a hint."""
    return [CacheControl(max_age=max_age, scope=scope, inherit_max_age=inherit)]


@strawberry.type
class Reader:
    name: str


@strawberry.type
class CachedBook:
    author: str


@strawberry.type
class Book:
    title: str
    cached_title: str = strawberry.field(directives=hint(30))
    private_title: str = strawberry.field(directives=hint(scope=Scope.PRIVATE))
    private_and_short: str = strawberry.field(directives=hint(10, Scope.PRIVATE))
    reader: Reader | None = None
    inheriting_reader: Reader | None = strawberry.field(directives=hint(inherit=True), default=None)


@strawberry.type(directives=hint(inherit=True))
class Shelf:
    label: str
    books: list[Book] = strawberry.field(directives=hint(120))


@strawberry.type(directives=hint(240))
class Kept:
    label: str
    shelf: Shelf
    reader: Reader = strawberry.field(directives=hint(50))
    again: "Kept"
    book: Book = strawberry.field(directives=hint(inherit=True))


@strawberry.type(directives=hint(100, Scope.PRIVATE))
class Diary:
    text: str


@strawberry.type(directives=hint(100))
class Paper:
    text: str


@strawberry.interface(directives=hint(60))
class Text:
    text: str


@strawberry.type(directives=hint(100, Scope.PRIVATE))
class Letter(Text):
    pass


@strawberry.type
class Root:
    book: Book
    cached_book: Book = strawberry.field(directives=hint(60))
    reader: Reader = strawberry.field(directives=hint(40))
    kept: Kept
    short_kept: Kept = strawberry.field(directives=hint(5))
    shelf: Shelf
    kept_shelf: Shelf = strawberry.field(directives=hint(15))
    number: int
    cached_number: int = strawberry.field(directives=hint(7))
    diary: Diary
    published_diary: Diary = strawberry.field(directives=hint(scope=Scope.PUBLIC))
    page: Diary | Paper = strawberry.field(directives=hint(30))
    text: Text

    @strawberry.field
    def any(self) -> str:
        return ""


@strawberry.type
class Changes:
    number: int = strawberry.field(directives=hint(7))


TOY = strawberry.Schema(Root, mutation=Changes, types=[Letter])._schema


def policy(document: str, name: str | None = None, schema=TOY) -> Policy:
    """Return the policy of a document's operation."""
    ast = parse(document)
    operations = [node for node in ast.definitions if isinstance(node, OperationDefinitionNode)]
    [operation] = [node for node in operations if name is None or (node.name and node.name.value == name)]
    return policy_of(schema, ast, operation)


PUBLIC_60, NO = Policy(60), Policy(0)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        # The examples of Apollo Server's documentation.
        ("{ book { cachedTitle } }", NO),
        ("{ cachedBook { title } }", PUBLIC_60),
        ("{ cachedBook { cachedTitle } }", Policy(30)),
        ("{ reader { name } }", Policy(40)),
        ("{ cachedBook { reader { name } } }", NO),
        ("{ cachedBook { inheritingReader { name } } }", PUBLIC_60),
        # Scopes: one private field makes the whole private.
        ("{ cachedBook { title privateTitle } }", Policy(60, is_private=True)),
        ("{ cachedBook { privateAndShort } }", Policy(10, is_private=True)),
        ("{ diary { text } cachedBook { title } }", Policy(60, is_private=True)),
        ("{ publishedDiary { text } }", Policy(100)),
        # Types, fields over types, inheritance.
        ("{ kept { label } }", Policy(240)),
        ("{ shortKept { label } }", Policy(5)),
        ("{ kept { reader { name } } }", Policy(50)),
        ("{ kept { shelf { label } } }", Policy(240)),
        ("{ kept { shelf { books { title } } } }", Policy(120)),
        ("{ kept { again { again { label } } } }", Policy(240)),
        ("{ kept { book { title } } }", Policy(240)),
        # At the root nothing is inherited.
        ("{ shelf { label } }", NO),
        ("{ keptShelf { label } }", Policy(15)),
        ("{ number }", NO),
        ("{ cachedNumber }", Policy(7)),
        ("{ cachedNumber number }", NO),
        # Meta fields.
        ("{ __typename }", NO),
        ("{ cachedNumber __typename }", Policy(7)),
        ("{ cachedNumber __schema { description } }", NO),
        ('{ cachedNumber __type(name: "Book") { name } }', NO),
        # Aliases, fragments, conditions that are not known yet.
        ("{ a: cachedNumber b: reader { c: name } }", Policy(7)),
        ("{ ...F ...F } fragment F on Root { cachedBook { ...G } } fragment G on Book { title ... { cachedTitle } }", Policy(30)),
        ("query($x: Boolean!) { cachedNumber book @include(if: $x) { title } }", NO),
        ("query($x: Boolean!) { cachedBook { title privateTitle @skip(if: $x) } }", Policy(60, is_private=True)),
        # Abstract types: whatever their members may be.
        ("{ page { ... on Paper { text } } }", Policy(30, is_private=True)),
        ("{ text { text } }", Policy(60, is_private=True)),
        # Only queries are cached.
        ("mutation { number }", NO),
    ],
)
def test_the_policy_of_a_document_is_apollo_s(document: str, expected: Policy):
    assert policy(document) == expected


def test_each_operation_of_a_document_has_its_own_policy():
    document = "query A { cachedNumber } query B { ...F } fragment F on Root { reader { name } }"

    assert (policy(document, "A"), policy(document, "B")) == (Policy(7), Policy(40))


def test_a_document_of_doubling_fragments_is_looked_at_once():
    levels = 200
    doubling = " ".join(
        f"fragment F{n} on Kept {{ a{n}: again {{ ...F{n + 1} }} b{n}: again {{ ...F{n + 1} }} }}" for n in range(levels)
    )
    document = f"{{ kept {{ ...F0 }} }} {doubling} fragment F{levels} on Kept {{ label }}"

    assert policy(document) == Policy(240)


@pytest.mark.parametrize(
    ("policy", "header"),
    [
        (Policy(60), "max-age=60, public"),
        (Policy(60, is_private=True), "max-age=60, private"),
        (Policy(0), "no-store"),
        (Policy(0, is_private=True), "no-store"),
    ],
)
def test_a_policy_as_a_header(policy: Policy, header: str):
    assert policy.header == header


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('{ user(id: "1") { name followersCount posts { title author { name } } } }', Policy(30)),
        ('{ post(id: "1") { repliesConnection { edges { cursor node { id } } pageInfo { hasNextPage } } } }', Policy(30)),
        ("{ latestPosts { nodes { content } } }", Policy(5)),
        ('{ user(id: "1") { viewerIsFollowing } }', Policy(30, is_private=True)),
        ("{ viewer { name } }", Policy(30, is_private=True)),
        ("{ feed { nodes { id } } }", Policy(0, is_private=True)),
        ("{ rateLimit { remaining } }", Policy(0, is_private=True)),
        ("{ eventCursor }", NO),
        ('{ node(id: "1") { id } }', NO),
    ],
)
def test_policies_of_the_real_schema(document: str, expected: Policy):
    assert policy(document, schema=core_schema()) == expected
