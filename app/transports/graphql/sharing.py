"""Which listeners may have the same bytes: those of one operation with the same variables, for whom nothing in it differs."""

from dataclasses import dataclass
from typing import Any

from graphql import (
    BREAK,
    DocumentNode,
    FieldNode,
    GraphQLField,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    visit,
)

from app.transports.graphql.bindings import BY_VIEWER

POSITION = "after"  # the argument that says where a listener begins, and nothing about what is shown


@dataclass(frozen=True, slots=True)
class Sharing:
    """What of a subscription tells its listeners apart."""

    by_viewer: bool  # something in it differs from viewer to viewer
    variables: tuple[str, ...]  # those that say more than where to begin


def sharing_of(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Sharing:
    """Return what tells the listeners of a subscription apart."""
    finder = _Finder(schema)
    visit(document, TypeInfoVisitor(finder.types, finder))
    positions = _Positions()
    visit(document, positions)
    defined = [definition.variable.name.value for definition in operation.variable_definitions or ()]
    return Sharing(finder.found, tuple(name for name in defined if name in positions.other))


class _Finder(Visitor):
    """Looks for a field that depends on the viewer."""

    def __init__(self, schema: GraphQLSchema) -> None:
        super().__init__()
        self.types = TypeInfo(schema)
        self.found = False
        self._root = schema.subscription_type

    def enter_field(self, _node: FieldNode, *_: Any) -> Any:
        field = self.types.get_field_def()
        if field is not None and self.types.get_parent_type() is not self._root and depends_on_viewer(field):
            self.found = True
            return BREAK
        return None


class _Positions(Visitor):
    """Collects the variables that stand anywhere but in a root field's `after`; their definitions do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.other: set[str] = set()

    def enter_variable_definition(self, *_: Any) -> Any:
        return False  # do not look below

    def enter_argument(self, node: Any, _key: Any, _parent: Any, _path: Any, ancestors: list[Any]) -> Any:
        fields = sum(isinstance(ancestor, FieldNode) for ancestor in ancestors)
        in_fragment = any(getattr(ancestor, "kind", "") == "fragment_definition" for ancestor in ancestors)
        return False if node.name.value == POSITION and fields == 1 and not in_fragment else None

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.other.add(node.name.value)


def depends_on_viewer(field: GraphQLField) -> bool:
    """Say whether what a field shows may differ from viewer to viewer; of a resolver that does not say, suppose it."""
    definition: Any = field.extensions.get("strawberry-definition")
    if definition is None or definition.base_resolver is None:  # introspection, or a value of the row itself
        return False
    return bool(definition.metadata.get(BY_VIEWER, True))
