"""Limits on a document's shape, all found in one pass that visits every fragment once."""

from dataclasses import dataclass, replace

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Shape:
    """What a selection amounts to, with every fragment counted as often as it is spread."""

    depth: int = 0  # 1 for fields of the root, 2 for their fields; introspection counts nothing
    aliases: int = 0
    directives: int = 0
    fields: int = 0  # at this level, not below
    selections: int = 0  # fields at all levels

    def beside(self, other: "Shape") -> "Shape":
        """Return the shape of two selections that stand in one selection set."""
        return Shape(
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.fields + other.fields,
            self.selections + other.selections,
        )

    def with_directives(self, count: int) -> "Shape":
        """Return the shape with so many directives more."""
        return replace(self, directives=self.directives + count) if count else self


class Measure:
    """One pass over a document.

    A fragment's shape does not depend on where it is spread, so each is measured once: documents that spread fragments in
    fragments, doubling at each level, cost no more than their text. A cycle counts nothing here; validation refuses it.
    """

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        self._known: dict[str, Shape] = {}

    def of_operation(self, operation: OperationDefinitionNode) -> Shape:
        """Return the shape of an operation."""
        on_variables = sum(len(variable.directives or ()) for variable in operation.variable_definitions or ())
        return self._of_selections(operation.selection_set).with_directives(len(operation.directives or ()) + on_variables)

    def _of_fragment(self, name: str) -> Shape:
        if name not in self._known:
            self._known[name] = Shape()  # what a cycle that comes back here finds
            fragment = self._fragments.get(name)
            if fragment:
                self._known[name] = self._of_selections(fragment.selection_set).with_directives(len(fragment.directives or ()))
        return self._known[name]

    def _of_selections(self, selection_set: SelectionSetNode | None) -> Shape:
        shape = Shape()
        if selection_set and not selection_set.selections:
            raise empty_selection(selection_set)
        for node in selection_set.selections if selection_set else ():
            shape = shape.beside(self._of_selection(node).with_directives(len(node.directives or ())))
        return shape

    def _of_selection(self, node: SelectionNode) -> Shape:
        if isinstance(node, FieldNode):
            below = self._of_selections(node.selection_set)
            depth = 0 if node.name.value.startswith("__") else 1 + below.depth
            return Shape(depth, below.aliases + (node.alias is not None), below.directives, 1, below.selections + 1)
        if isinstance(node, InlineFragmentNode):
            return self._of_selections(node.selection_set)
        return self._of_fragment(node.name.value) if isinstance(node, FragmentSpreadNode) else Shape()


def shape_of(document: DocumentNode) -> Shape:
    """Return a document's shape: the deepest operation, the operation with most root fields, all aliases, all directives.

    Raises:
        RecursionError: selections lie inside each other hundreds of levels deep.
        GraphQLSyntaxError: a selection is empty, which the grammar forbids and graphql-core's parser lets through.
    """
    measure = Measure(document)
    shapes = [measure.of_operation(node) for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    whole = Shape()
    for shape in shapes:
        whole = whole.beside(shape)
    return replace(whole, fields=max((shape.fields for shape in shapes), default=0))


def too_much(shape: Shape, limits: Settings) -> tuple[str, str] | None:
    """Return the code and the sentence for the first limit that a document breaks, None where it breaks none."""
    if shape.depth > limits.max_depth:
        return "DEPTH_LIMIT", f"The document nests deeper than {limits.max_depth} fields: split it into several."
    if shape.aliases > limits.max_aliases:
        return "ALIAS_LIMIT", f"The document has more than {limits.max_aliases} aliases: split it into several."
    if shape.directives > limits.max_directives:
        return "DIRECTIVE_LIMIT", f"The document has more than {limits.max_directives} directives: split it into several."
    if shape.fields > limits.max_root_fields:
        return "ROOT_FIELD_LIMIT", f"An operation has more than {limits.max_root_fields} root fields: split it into several."
    if shape.selections > limits.max_selections:
        problem = (
            f"With its fragments spread, the document has more than {limits.max_selections:,} fields: split it into several."
        )
        return "MAX_RECURSIVE_SELECTIONS_EXCEEDED", problem
    return None


def empty_selection(node: SelectionSetNode) -> GraphQLSyntaxError:
    """Return the error that a strict parser raises at the end of an empty selection."""
    assert node.loc is not None  # noqa: S101  # we parse with locations
    return GraphQLSyntaxError(node.loc.source, node.loc.end - 1, "Expected Name, found '}'.")
