"""What is shown of an object or of a list's rows, where a source can write it as JSON: see `rendering.py`."""

from typing import TYPE_CHECKING, Any

from graphql import GraphQLField, GraphQLObjectType, get_named_type, is_leaf_type, is_non_null_type
from graphql.execution.collect_fields import FieldDetails

from app.engine.arguments import arguments
from app.engine.bindings import Attribute, ToMany, ToOne
from app.engine.building import RAW_SCALARS
from app.engine.rendering import Shown, ShownField, ShownLeaf, ShownList, ShownOne, ShownRows, ShownText
from app.engine.steps import Arguments

if TYPE_CHECKING:  # compiling asks this module
    from app.engine.compiling import Compilation

MOST_LISTS = 8  # in one text: a database plans a statement with many for longer than it takes to run it
DEEPEST = 2  # levels of lists in one text: the lengths of the second one are told for each row of the first


def shown_fields(
    source: "Compilation", type_: GraphQLObjectType, details: list[FieldDetails], lists: list[Arguments], depth: int = DEEPEST
) -> Shown | None:
    """Return what is shown of an object, None where it is more than a source can write. `lists` collects the arguments of the
    lists in it, of which there may be `depth` levels."""
    found: list[Any] = []
    for key, field_details in source.subfields(type_, details).items():
        field = shown_field(source, type_, key, field_details, lists, depth)
        if field is None:
            return None
        found.append(field)
    return tuple(found)


def shown_field(
    source: "Compilation",
    type_: GraphQLObjectType,
    key: str,
    details: list[FieldDetails],
    lists: list[Arguments],
    depth: int,
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
            below = shown_fields(source, named, details, [], 0)
            plain = below is not None and all(isinstance(field, ShownLeaf | ShownText) for field in below)
            return ShownOne(key, join, below) if plain else None  # type: ignore[arg-type]  # looked at just now
        case ToMany() as binding:
            return shown_list(source, key, definition, details, binding, lists, depth)
        case _:
            return None


def shown_list(
    source: "Compilation",
    key: str,
    definition: GraphQLField,
    details: list[FieldDetails],
    binding: ToMany,
    lists: list[Arguments],
    depth: int = DEEPEST,
) -> ShownList | None:
    """Return what is shown of a list, None where a source cannot write it. `lists` collects its arguments and those in it."""
    type_ = get_named_type(definition.type)
    if binding.render is None or depth == 0 or len(lists) == MOST_LISTS or not isinstance(type_, GraphQLObjectType):
        return None
    lists.append(arguments(definition, details))
    around: list[Any] = []
    if binding.is_connection:
        connection, selected = type_, source.subfields(type_, details)
        for part, part_details in selected.items():
            name = part_details[0].node.name.value
            if name == "nodes":
                type_, details = get_named_type(connection.fields[name].type), part_details
            elif name != "__typename":
                return None
            around.append(ShownRows(part) if name == "nodes" else ShownText(part, connection.name))
        if sum(isinstance(part, ShownRows) for part in around) != 1:
            return None
    fields = shown_fields(source, type_, details, lists, depth - 1)
    return ShownList(key, binding, fields, tuple(around)) if fields else None
