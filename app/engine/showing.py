"""What is shown of a list's rows, where a source can write it as JSON: see `rendering.py`."""

from typing import TYPE_CHECKING, Any

from graphql import GraphQLObjectType, get_named_type, is_leaf_type, is_non_null_type
from graphql.execution.collect_fields import FieldDetails

from app.engine.arguments import arguments
from app.engine.bindings import Attribute, ToMany, ToOne
from app.engine.building import RAW_SCALARS
from app.engine.plan import Arguments
from app.engine.rendering import Shown, ShownField, ShownLeaf, ShownList, ShownOne, ShownText

if TYPE_CHECKING:  # compiling asks this module
    from app.engine.compiling import Compilation


def shown_fields(
    source: "Compilation", type_: GraphQLObjectType, details: list[FieldDetails], inner: list[Arguments] | None
) -> Shown | None:
    """Return what is shown of a row, None where it is more than a source can write. `inner` collects the arguments of the lists
    in it; None: there must be none, nor anything joined but what is joined to a list's row."""
    found: list[Any] = []
    for key, field_details in source.subfields(type_, details).items():
        field = shown_field(source, type_, key, field_details, inner)
        if field is None:
            return None
        found.append(field)
    return tuple(found)


def shown_field(
    source: "Compilation", type_: GraphQLObjectType, key: str, details: list[FieldDetails], inner: list[Arguments] | None
) -> ShownField | None:
    """Return what is shown of one field, None where a source cannot write it."""
    name = details[0].node.name.value
    if name == "__typename":
        return ShownText(key, type_.name)
    definition = type_.fields[name]
    named = get_named_type(definition.type)
    match source.bindings(type_, name, definition):
        case Attribute(column, is_ready) if is_leaf_type(named) and (is_ready or named.name in {"ID", *RAW_SCALARS}):
            return ShownLeaf(key, column, named.name == "ID", is_non_null_type(definition.type))
        case ToOne(join=join) if join is not None and isinstance(named, GraphQLObjectType):
            below = shown_fields(source, named, details, None)
            plain = below is not None and all(isinstance(field, ShownLeaf | ShownText) for field in below)
            return ShownOne(key, join, below) if plain else None  # type: ignore[arg-type]  # looked at just now
        case ToMany(is_connection=False, render=render) as binding if render and inner is not None:
            below = shown_fields(source, named, details, None)
            inner.append(arguments(definition, details))
            return ShownList(key, binding, below) if below else None  # type: ignore[arg-type]  # no lists in lists: `inner` is None
        case _:
            return None
