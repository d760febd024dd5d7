"""Compiling an operation to the formula of its cost.

graphql-core collects the fields, as it does for execution: a field that is selected twice is counted once, what @skip leaves out
is left out. A selection is known by its fields' places in the document, so each distinct one is compiled once.
"""

from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues
from graphql.language import ValueNode, VariableNode

from app.engine.cost import INTROSPECTION_WEIGHT, Argument, Formula, ListSize, Prices, Size, Step, Term, length_of

MAX_SELECTIONS = 2_000  # selections looked at while compiling: more than any honest document of 2,000 tokens has

Fields = dict[str, list[FieldDetails]]


class TooComplex(Exception):
    """The operation has more distinct selections than anybody can mean."""


@dataclass(slots=True)
class Costing:
    """One operation on its way to a formula."""

    schema: GraphQLSchema
    prices: Prices
    fragments: dict[str, FragmentDetails]
    operation: OperationDefinitionNode
    variables: VariableValues  # they decide @skip and @include
    largest_size: int  # of any list, whatever its arguments say
    steps: list[Step] = field(default_factory=list)
    sizes: dict[Size, int] = field(default_factory=dict)
    known: dict[tuple[Any, ...], int] = field(default_factory=dict)
    looked_at: int = 0

    def formula(self) -> Formula:
        """Return the operation's formula.

        Raises:
            TooComplex: it has too many distinct selections.
        """
        root = self.schema.get_root_type(self.operation.operation)
        assert root is not None  # noqa: S101  # the document is valid
        collected = collect_fields(self.schema, self.fragments, self.variables, root, self.operation)
        self._step(root, collected.grouped_field_set, None, ())
        return Formula(self.steps, list(self.sizes), self.largest_size)

    def _selection(self, type_: GraphQLObjectType, details: list[FieldDetails], size: int | None, sized: tuple[str, ...]) -> int:
        """Return the step of what fields select on one object type; `size` is that of the lists named in `sized`."""
        place = (type_.name, size, sized, *(id(detail.node) for detail in details))
        if place not in self.known:
            self.looked_at += 1
            if self.looked_at > MAX_SELECTIONS:
                raise TooComplex
            collected = collect_subfields(self.schema, self.fragments, self.variables, self.operation, type_, details)
            fields = collected.grouped_field_set
            nodes = (id(detail.node) for group in fields.values() for detail in group)
            content = (type_.name, size, sized, "content", *nodes)
            if content not in self.known:
                self.known[content] = self._step(type_, fields, size, sized)
            self.known[place] = self.known[content]
        return self.known[place]

    def _step(self, type_: GraphQLObjectType, fields: Fields, size: int | None, sized: tuple[str, ...]) -> int:
        terms = [self._term(type_, key, details, size, sized) for key, details in fields.items()]
        self.steps.append(Step(type_.name, terms))
        return len(self.steps) - 1

    def _term(
        self, type_: GraphQLObjectType, key: str, details: list[FieldDetails], outer: int | None, sized: tuple[str, ...]
    ) -> Term:
        node = details[0].node
        name = node.name.value
        if name.startswith("__"):
            return Term(key, 0 if name == "__typename" else INTROSPECTION_WEIGHT, 0, ())
        definition = type_.fields[name]
        weight = self.prices.weight_of_field(definition)
        named = get_named_type(definition.type)
        if is_leaf_type(named):
            return Term(key, (self.prices.weight_of_type(named) if weight is None else weight), 0, ())
        is_list = is_list_type(get_nullable_type(definition.type))
        own = 0.0 if weight is None else weight
        is_required = is_non_null_type(definition.type)
        each = self._weight_of_object(named) if weight is None or is_list else 0.0
        if name in sized:
            children = self._children(named, details, None, ())
            return Term(key, own, each, children, outer, is_list, is_required=is_required)
        known = self.prices.size_of_field(definition)
        if known is None and not is_list:
            return Term(key, own, each, self._children(named, details, None, ()), is_required=is_required)
        size = self._size(definition, node, known or ListSize(None, ()))
        inside = known.fields if known else ()
        children = self._children(named, details, size if inside else None, inside)
        return Term(key, own, each, children, size, is_list, bool(inside), is_counted=True)

    def _children(
        self, type_: GraphQLNamedType, details: list[FieldDetails], size: int | None, sized: tuple[str, ...]
    ) -> tuple[int, ...]:
        return tuple(self._selection(member, details, size, sized) for member in self._members(type_))

    def _members(self, type_: Any) -> list[GraphQLObjectType]:
        return list(self.schema.get_possible_types(type_)) if is_abstract_type(type_) else [type_]

    def _weight_of_object(self, type_: GraphQLNamedType) -> float:
        return max(self.prices.weight_of_type(member) for member in self._members(type_))

    def _size(self, definition: GraphQLField, node: FieldNode, known: ListSize) -> int:
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        arguments = tuple(slicing_argument(definition, name, given.get(name)) for name in known.arguments)
        assumed = self.largest_size if known.assumed is None else known.assumed
        return self.sizes.setdefault(Size(arguments, assumed), len(self.sizes))


def slicing_argument(definition: GraphQLField, name: str, node: ValueNode | None) -> Argument:
    """Return what is known of a slicing argument before the variables are."""
    default = definition.args[name].default_value
    absent = length_of(default) if isinstance(default, int | list) else None
    if node is None:
        return Argument(name, absent)
    if isinstance(node, VariableNode):
        return Argument(name, absent, node.name.value)
    if isinstance(node, NullValueNode):
        return Argument(name, None)
    if isinstance(node, ListValueNode):
        return Argument(name, len(node.values))
    is_list = is_list_type(get_nullable_type(definition.args[name].type))
    return Argument(name, int(node.value) if isinstance(node, IntValueNode) and not is_list else 1)
