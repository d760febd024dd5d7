"""What fields cost: directives in the schema, and the engine's way to read them.

Directives stand where fields are made: `related`, `listed`, `connected` (fields.py), and the decorators here for root fields.
"""

from typing import Any, Final

import strawberry
from graphql import GraphQLField, GraphQLNamedType, is_leaf_type
from strawberry import UNSET
from strawberry.schema_directive import Location

from app.domain.paging import DEFAULT_PAGE_SIZE
from app.engine import ListSize as EngineListSize

MUTATION_WEIGHT = "10"


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT],
    name="cost",
    description="What a field costs each time it is asked for, or an object each time it is shown; absent: scalars 0, objects 1.",
)
class Cost:
    """A weight, as IBM's cost specification writes it."""

    weight: str


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="listSize",
    description="How long a list may be: as the longest of its slicing arguments says (a number or a list), else as assumed.",
)
class ListSize:
    """A list's length, as IBM's cost specification writes it."""

    assumed_size: int | None = UNSET
    slicing_arguments: list[str] | None = UNSET
    sized_fields: list[str] | None = UNSET
    require_one_slicing_argument: bool | None = True


FREE: Final = [Cost(weight="0")]  # for objects that only hold others together
PAGED: Final = [
    ListSize(
        assumed_size=DEFAULT_PAGE_SIZE,
        slicing_arguments=["first", "last"],
        sized_fields=["edges", "nodes"],
        require_one_slicing_argument=False,
    )
]


def first_of(default: int) -> list[ListSize]:
    """Return the directive of a plain list that is `default` long where nothing is said."""
    return [ListSize(assumed_size=default, slicing_arguments=["first"], require_one_slicing_argument=False)]


def short_of(most: int) -> list[ListSize]:
    """Return the directive of a list that is always shown whole, for it has never more."""
    return [ListSize(assumed_size=most, require_one_slicing_argument=False)]


def one_for_each(argument: str) -> list[ListSize]:
    """Return the directive of a list that has an element for each in a list argument."""
    return [ListSize(slicing_arguments=[argument])]


def mutation(*, description: str, graphql_type: Any = None) -> Any:
    """Make a field that changes something."""
    return strawberry.mutation(graphql_type=graphql_type, description=description, directives=[Cost(weight=MUTATION_WEIGHT)])


class SchemaPrices:
    """What the directives say, for the engine."""

    def weight_of_type(self, type_: GraphQLNamedType) -> float:
        """Return what one object of the type costs."""
        weight = weight_in(type_.extensions)
        return (0.0 if is_leaf_type(type_) else 1.0) if weight is None else weight

    def weight_of_field(self, definition: GraphQLField) -> float | None:
        """Return the field's own weight, None where it has none."""
        return weight_in(definition.extensions)

    def size_of_field(self, definition: GraphQLField) -> EngineListSize | None:
        """Return how long the field's list may be, None where nothing is known."""
        for directive in directives_of(definition.extensions):
            if isinstance(directive, ListSize):
                return EngineListSize(
                    directive.assumed_size or None,
                    tuple(directive.slicing_arguments or ()),
                    tuple(directive.sized_fields or ()),
                )
        return None


PRICES: Final = SchemaPrices()


def directives_of(extensions: dict[str, Any]) -> Any:
    """Return the directives of a part of the schema that Strawberry made."""
    definition = extensions.get("strawberry-definition")
    return getattr(definition, "directives", None) or ()


def weight_in(extensions: dict[str, Any]) -> float | None:
    """Return the weight that a part of the schema says of itself."""
    return next((float(directive.weight) for directive in directives_of(extensions) if isinstance(directive, Cost)), None)
