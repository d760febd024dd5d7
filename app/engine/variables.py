"""Variables: coerced by graphql-core, but for plain scalars that are what they should be, which most are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, Undefined, get_variable_values, is_non_null_type
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource

PLAIN: Final[dict[str, Callable[[Any], bool]]] = {  # whether a value is coerced to itself
    "ID": lambda value: type(value) is str,
    "String": lambda value: type(value) is str,
    "Boolean": lambda value: type(value) is bool,
    "Int": lambda value: type(value) is int and -(2**31) <= value < 2**31,
}


@dataclass(frozen=True, slots=True)
class Plain:
    """A variable of a plain scalar type, without a default."""

    name: str
    signature: GraphQLVariableSignature
    is_required: bool
    fits: Callable[[Any], bool]


class Variables:
    """The variables of one operation of a valid document."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._definitions = operation.variable_definitions or ()
        self._plain = self._all_plain()

    def coerced(
        self, given: Mapping[str, Any], *, max_errors: int, hide_suggestions: bool
    ) -> VariableValues | list[GraphQLError]:
        """Return the coerced values, or what is wrong with them: what graphql-core would return."""
        if self._plain is not None and (values := self._at_once(given, self._plain)) is not None:
            return values
        return get_variable_values(
            self._schema, self._definitions, dict(given), max_errors=max_errors, hide_suggestions=hide_suggestions
        )

    def _at_once(self, given: Mapping[str, Any], plain: list[Plain]) -> VariableValues | None:
        """Return the values where each is plain and fits."""
        sources, coerced = {}, {}
        for variable in plain:
            value = given.get(variable.name, Undefined)
            if variable.fits(value):
                coerced[variable.name] = value
            elif variable.is_required or not (value is None or value is Undefined):
                return None
            elif value is None:
                coerced[variable.name] = None
            sources[variable.name] = VariableValueSource(variable.signature, value)
        return VariableValues(sources, coerced)

    def _all_plain(self) -> list[Plain] | None:
        """Return all variables where each is plain."""
        found = []
        for definition in self._definitions:
            signature = get_variable_signature(self._schema, definition)
            if isinstance(signature, GraphQLError) or definition.default_value is not None:
                return None
            is_required = is_non_null_type(signature.type)
            named: Any = signature.type.of_type if is_non_null_type(signature.type) else signature.type
            fits = PLAIN.get(getattr(named, "name", ""))
            if fits is None:
                return None
            found.append(Plain(signature.name, signature, is_required, fits))
        return found
