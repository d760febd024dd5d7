"""Limits on a document's shape, each found in one pass that visits every fragment once."""

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)


def depth_of(document: DocumentNode) -> int:
    """Return the depth of the deepest operation: 1 for fields of the root, 2 for their fields; introspection counts nothing.

    A fragment's depth does not depend on where it is spread, so each is measured once: documents that spread fragments in
    fragments, doubling at each level, cost no more than their text. A cycle counts nothing here; validation refuses it.

    Raises:
        RecursionError: selections lie inside each other hundreds of levels deep.
        GraphQLSyntaxError: a selection is empty, which the grammar forbids and graphql-core's parser lets through.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    known: dict[str, int] = {}

    def of_fragment(name: str) -> int:
        if name not in known:
            known[name] = 0  # what a cycle that comes back here finds
            fragment = fragments.get(name)
            known[name] = of_selections(fragment.selection_set) if fragment else 0
        return known[name]

    def of_selections(selection_set: SelectionSetNode | None) -> int:
        deepest = 0
        if selection_set and not selection_set.selections:
            raise empty_selection(selection_set)
        for node in selection_set.selections if selection_set else ():
            if isinstance(node, FieldNode):
                depth = 0 if node.name.value.startswith("__") else 1 + of_selections(node.selection_set)
            elif isinstance(node, InlineFragmentNode):
                depth = of_selections(node.selection_set)
            else:
                depth = of_fragment(node.name.value) if isinstance(node, FragmentSpreadNode) else 0
            deepest = max(deepest, depth)
        return deepest

    operations = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return max((of_selections(node.selection_set) for node in operations), default=0)


def empty_selection(node: SelectionSetNode) -> GraphQLSyntaxError:
    """Return the error that a strict parser raises at the end of an empty selection."""
    assert node.loc is not None  # noqa: S101  # we parse with locations
    return GraphQLSyntaxError(node.loc.source, node.loc.end - 1, "Expected Name, found '}'.")
