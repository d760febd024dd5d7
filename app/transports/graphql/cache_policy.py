"""How long an answer stays good and whose it is, known from its document alone: the hints of `@cacheControl`, put together by the
rules of Apollo Server.

- An answer is as good as its shortest-lived field, and private as soon as one of its fields is.
- A field has the hint of its type, replaced by its own. Without a life in either it has none (0) where it stands at the root or
  shows an object, and its parent's where it is a scalar, or where `inheritMaxAge` says so.

Stricter than Apollo Server in what it cannot know before the variables or the rows: what @skip or @include may leave out counts,
and a field of an abstract type is private if one of its members is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Final

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)
from strawberry import UNSET
from strawberry.schema_directive import Location

from app.transports.graphql.costs import directives_of


@strawberry.enum(name="CacheControlScope", description="Whose an answer is.")
class Scope(Enum):
    """Whose an answer is."""

    PUBLIC = strawberry.enum_value("PUBLIC", description="The same for everybody.")
    PRIVATE = strawberry.enum_value("PRIVATE", description="This caller's own.")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT, Location.INTERFACE, Location.UNION],
    name="cacheControl",
    description="How long a field, or a field of this type, stays good in seconds, and whose it is, as Apollo Server has it.",
)
class CacheControl:
    """A hint; what is not set is left to the field's type, to its parent, or to the default."""

    max_age: int | None = UNSET
    scope: Scope | None = UNSET
    inherit_max_age: bool | None = UNSET


PERSONAL: Final = CacheControl(scope=Scope.PRIVATE)  # for every field that depends on the viewer
INHERITED: Final = CacheControl(inherit_max_age=True)  # for types that only hold others together
THING: Final = CacheControl(max_age=30)  # for people and posts: their counters change often, and an event tells of each change
NEWEST: Final = CacheControl(max_age=5)  # for lists that everybody's writes change


@dataclass(frozen=True)
class Policy:
    """How long an answer stays good, in seconds (None: nothing was said yet), and whose it is."""

    max_age_s: int | None = None
    is_private: bool = False

    def restricted(self, other: "Policy") -> "Policy":
        """Return what holds for both."""
        ages = [age for age in (self.max_age_s, other.max_age_s) if age is not None]
        return Policy(min(ages, default=None), self.is_private or other.is_private)

    @cached_property
    def is_shareable(self) -> bool:
        """Say whether one caller may get what another was answered."""
        return bool(self.max_age_s) and not self.is_private

    @cached_property
    def header(self) -> str:
        """The value of Cache-Control."""
        return f"max-age={self.max_age_s}, {'private' if self.is_private else 'public'}" if self.max_age_s else "no-store"

    @cached_property
    def personal(self) -> "Policy":
        """The same, for one caller alone."""
        return self if self.is_private else Policy(self.max_age_s, is_private=True)


NEVER: Final = Policy(0)


def policy_of(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Policy:
    """Return the policy of an operation in a valid document. Each fragment is looked at once, however often it is spread."""
    root = schema.get_root_type(operation.operation)
    if root is None or root is not schema.query_type:
        return NEVER
    policy = Policy()
    for part in hints(schema, document, operation.selection_set, root):
        policy = policy.restricted(part)
    return policy if policy.max_age_s is not None else NEVER


def hints(
    schema: GraphQLSchema, document: DocumentNode, selection_set: SelectionSetNode, root: GraphQLObjectType
) -> Iterator[Policy]:
    """Give the policy of every field that the operation may show."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    waiting: list[tuple[GraphQLNamedType, SelectionSetNode]] = [(root, selection_set)]
    while waiting:
        parent, selections = waiting.pop()
        for node in selections.selections:
            if isinstance(node, FieldNode):
                policy, type_ = hint_of_field(schema, parent, node.name.value)
                yield policy
                if node.selection_set and type_:
                    waiting.append((type_, node.selection_set))
                continue
            fragment: Any = fragments.pop(node.name.value, None) if isinstance(node, FragmentSpreadNode) else node
            if fragment is None:
                continue  # spread before
            condition = fragment.type_condition if isinstance(fragment, InlineFragmentNode | FragmentDefinitionNode) else None
            waiting.append((schema.type_map[condition.name.value] if condition else parent, fragment.selection_set))


def hint_of_field(schema: GraphQLSchema, parent: GraphQLNamedType, name: str) -> tuple[Policy, GraphQLNamedType | None]:
    """Return what a field says of itself, and its type. Introspection is for tools, which ask once."""
    if name == "__typename":
        return Policy(), None
    if name.startswith("__") or not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return NEVER, None
    definition = parent.fields[name]
    type_ = get_named_type(definition.type)
    own, of_type = hint_in(definition.extensions), hint_in(type_.extensions)
    inherits = bool(of_type.inherit_max_age) or (bool(own.inherit_max_age) and first(of_type.max_age) is None)
    max_age_s = first(own.max_age, of_type.max_age)
    if max_age_s is None and (parent is schema.query_type or not (is_leaf_type(type_) or inherits)):
        max_age_s = 0
    scope = first(own.scope, of_type.scope)
    members = schema.get_possible_types(type_) if is_abstract_type(type_) else ()
    is_private = scope is Scope.PRIVATE or any(hint_in(member.extensions).scope is Scope.PRIVATE for member in members)
    return Policy(max_age_s, is_private), type_


def hint_in(extensions: dict[str, Any]) -> CacheControl:
    """Return the hint on a part of the schema; where there is none, one that says nothing."""
    return next((directive for directive in directives_of(extensions) if isinstance(directive, CacheControl)), NOTHING)


NOTHING: Final = CacheControl()


def first(*values: Any) -> Any:
    """Return the first value that is set, None where none is."""
    return next((value for value in values if value is not None and value is not UNSET), None)
