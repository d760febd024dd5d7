"""Arguments of fields, as far as they are known when a plan is made."""

from collections.abc import Iterable
from typing import Any

from graphql import (
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    GraphQLField,
    Undefined,
    get_argument_values,
    is_non_null_type,
    is_required_argument,
    visit,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.language import VariableNode, Visitor

from app.engine.steps import Arguments, Passed, Uncovered


def arguments(definition: GraphQLField, details: list[FieldDetails]) -> Arguments:
    """Return a field's arguments, coerced now as far as no variable is in them."""
    node = details[0].node
    nodes = {argument.name.value: argument for argument in node.arguments or ()}
    if not has_variables(nodes.values()):
        return Arguments(definition, node, known_arguments(definition, node))
    fixed = [argument for argument in nodes.values() if not has_variables([argument])]
    if any(has_variables([argument]) and not isinstance(argument.value, VariableNode) for argument in nodes.values()):
        return Arguments(definition, node, None)
    # What is known is coerced as if the others were optional and absent; their defaults are taken out again.
    names = {name for name, argument in nodes.items() if argument not in fixed}
    others = {name: argument for name, argument in definition.args.items() if name not in names}
    known = known_arguments(GraphQLField(definition.type, args=others), FieldNode(name=node.name, arguments=tuple(fixed)))
    return Arguments(definition, node, None, tuple(passed(definition, nodes[name]) for name in sorted(names)), known)


def known_arguments(definition: GraphQLField, node: FieldNode) -> dict[str, Any]:
    """Return the coerced arguments of a field in which no variable is used."""
    try:
        return get_argument_values(definition, node)
    except Exception as error:  # graphql-core will say it in its own words
        raise Uncovered("arguments that are not acceptable") from error


def passed(definition: GraphQLField, node: ArgumentNode) -> Passed:
    """Return the argument that is a variable."""
    name, argument, variable = node.name.value, definition.args[node.name.value], node.value
    assert isinstance(variable, VariableNode)  # noqa: S101  # the caller looked
    out_name, default = argument.out_name or name, Undefined
    if not is_required_argument(argument):
        alone = GraphQLField(definition.type, args={name: argument})
        default = known_arguments(alone, FieldNode(name=node.name, arguments=())).get(out_name, Undefined)
    return Passed(out_name, variable.name.value, default, is_non_null_type(argument.type))


def has_variables(nodes: Iterable[Any]) -> bool:
    """Say whether a variable is used anywhere in these nodes."""
    found: list[VariableNode] = []

    class Find(Visitor):
        def enter_variable(self, node: VariableNode, *_args: Any) -> None:
            found.append(node)

    for node in nodes:
        visit(node, Find())
    return bool(found)


def flag_variables(document: DocumentNode) -> tuple[str, ...]:
    """Return the names of the variables in @skip and @include: with other values, a document has another plan."""
    found: dict[str, None] = {}

    class Find(Visitor):
        def enter_directive(self, node: DirectiveNode, *_args: Any) -> None:
            for argument in node.arguments or ():
                if isinstance(argument.value, VariableNode):
                    found[argument.value.name.value] = None

    visit(document, Find())
    return tuple(found)
