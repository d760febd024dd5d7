"""How an operation would run, told to a person."""

from typing import Any

from graphql import FragmentDefinitionNode, GraphQLError, OperationDefinitionNode
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues, get_variable_values

from app.engine import Compilation, Uncovered, compile_operation
from app.transports.graphql.bindings import binding_of
from app.transports.graphql.documents import Document
from app.transports.graphql.schema import core_schema

NOT_PLANNED = "Not planned: {reason}. graphql-core executes the whole operation."


def explained(document: Document, operation: OperationDefinitionNode, given: dict[str, Any]) -> list[str] | list[GraphQLError]:
    """Return the operation's plan in lines, or what is wrong with the variables.

    Of the variables only those in @skip and @include shape a plan, so the others may be missing.
    """
    definitions = operation.variable_definitions or ()
    wanted = [one for one in definitions if one.variable.name.value in {*given, *document.flags}]
    variables = get_variable_values(core_schema(), wanted, given)
    if not isinstance(variables, VariableValues):
        return variables
    nodes = [node for node in document.ast.definitions if isinstance(node, FragmentDefinitionNode)]
    fragments = {node.name.value: FragmentDetails(node) for node in nodes}
    try:
        return compile_operation(Compilation(core_schema(), binding_of, fragments, operation, variables)).explain()
    except Uncovered as reason:
        return [NOT_PLANNED.format(reason=reason)]
