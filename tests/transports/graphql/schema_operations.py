"""Random operations by hypothesis-graphql over the printed schema, made to meet rows that exist.

The library knows the schema and nothing of the data: almost all of its ids, sizes and cursors would be refused. So each of its
documents is used several times, with its arguments exchanged for ids, sizes and cursors that are mostly good.
"""

from dataclasses import replace
from random import Random
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    IntValueNode,
    ListValueNode,
    NameNode,
    NullValueNode,
    StringValueNode,
    print_ast,
    visit,
)
from graphql.language import Visitor
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes, queries

from app.transports.graphql.schema import as_text, core_schema
from tests.transports.graphql.plan_operations import Facts, Operation

CHANGING = {"rateLimit"}  # answered anew each time
REUSES = 10  # operations out of one document


def drawn(count: int, seed_: int) -> list[DocumentNode]:
    """Return as many documents as the library draws from this seed."""
    query = core_schema().query_type
    assert query is not None
    found: list[DocumentNode] = []
    cursors = {"Cursor": st.just(nodes.String("cursor"))}
    fields = sorted(set(query.fields) - CHANGING)
    documents: Any = queries(as_text(), fields=fields, custom_scalars=cursors, print_ast=lambda document: document)

    @seed(seed_)
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(documents)
    def collect(document: DocumentNode) -> None:
        found.append(document)

    collect()
    return found


def operations(count: int, seed_: int, facts: Facts) -> list[Operation]:
    """Return so many operations."""
    documents = drawn(-(-count // REUSES), seed_)
    made = [realistic(document, number, facts) for number in range(REUSES) for document in documents]
    return made[:count]


def realistic(document: DocumentNode, number: int, facts: Facts) -> Operation:
    """Return the document with arguments that mostly mean something; another number gives others."""

    class Exchange(Visitor):
        def enter_field(self, node: FieldNode, *_args: Any) -> FieldNode | None:
            if not node.arguments:
                return None
            # The same field with the same arguments gets the same ones again: two of them may stand in one selection.
            chance = Random(f"{number} {node.name.value} {[print_ast(argument) for argument in node.arguments]}")
            return replace(node, arguments=tuple(arguments(chance, node.name.value, list(node.arguments), facts)))

    return Operation(print_ast(visit(document, Exchange())), {})


def arguments(chance: Random, field: str, given_: list[ArgumentNode], facts: Facts) -> list[ArgumentNode]:
    """Return other arguments for a field."""
    names = [argument.name.value for argument in given_]
    if chance.random() < 0.05:
        return given_
    if "ids" in names:
        ids = [one_id(chance, [*facts.users, *facts.posts]) for _ in range(chance.randint(0, 5))]
        return [argument("ids", ListValueNode(values=tuple(map(text, ids))))]
    if "id" in names:
        id_ = argument("id", text(one_id(chance, facts.posts if field == "post" else facts.users)))
        name = argument("username", text(chance.choice(facts.usernames)))
        return [id_] if field != "user" or chance.random() < 0.7 else [name]
    page = [argument(chance.choice(["first", "last"] if "last" in names else ["first"]), size(chance))]
    if "after" in names and chance.random() < 0.1:
        cursors = [cursor for mine in facts.cursors.get(field, {}).values() for cursor in mine]
        page.append(argument(chance.choice(["after", "before"]), text(chance.choice(cursors)) if cursors else NullValueNode()))
    return page if chance.random() < 0.8 else []


def one_id(chance: Random, ids: list[str]) -> str:
    """Return an id, mostly a real one."""
    return chance.choice(ids) if chance.random() < 0.95 else "9007199254740993"


def size(chance: Random) -> IntValueNode | NullValueNode:
    """Return the size of a page."""
    return NullValueNode() if chance.random() < 0.1 else IntValueNode(value=str(chance.choice([0, 1, 1, 2, 2, 3, 5])))


def argument(name: str, value: Any) -> ArgumentNode:
    """Return an argument."""
    return ArgumentNode(name=NameNode(value=name), value=value)


def text(value: str) -> StringValueNode:
    """Return a string as it stands in a document."""
    return StringValueNode(value=value)
