"""Compiling: from a validated operation to its plan.

graphql-core collects the fields (fragments flattened, same response keys merged, @skip and @include decided), so keys come in the
same order as from its executor. Each object's builder is one generated expression: a dict of the row's values, in that order.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    print_ast,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues

from app.engine.arguments import arguments
from app.engine.bindings import Attribute, Bindings, Derived, Lookup, ToMany, ToOne
from app.engine.building import Builder, Columns, compiled
from app.engine.plan import Found, LookupRoot, Plan, RenderedThing, ResolverRoot
from app.engine.shapes import AbstractShape, ConnectionShape, LeafShape, ListShape, NonNullShape, PagePart, RowsShape
from app.engine.showing import shown_fields, shown_list
from app.engine.steps import (
    Arguments,
    AttributeChild,
    ListArguments,
    ObjectShape,
    RenderedChild,
    Shape,
    ToManyChild,
    ToOneChild,
    Uncovered,
)

Fields = dict[str, list[FieldDetails]]


@dataclass(frozen=True, slots=True)
class Compilation:
    """What is compiled: one operation of a document, with the values that decide its @skip and @include."""

    schema: GraphQLSchema
    bindings: Bindings
    fragments: dict[str, FragmentDetails]
    operation: OperationDefinitionNode
    variables: VariableValues
    looked_up: dict[tuple[str, ...], Found] = field(default_factory=dict)  # what root look-ups show, by their selection

    def subfields(self, type_: GraphQLObjectType, details: list[FieldDetails]) -> Fields:
        """Return the merged selection below a field, for one object type."""
        collected = collect_subfields(self.schema, self.fragments, self.variables, self.operation, type_, details)
        return collected.grouped_field_set


def compile_operation(source: Compilation) -> Plan:
    """Return the operation's plan.

    Raises:
        Uncovered: something in it is not covered.
    """
    root_type = source.schema.get_root_type(source.operation.operation)
    if root_type is None:
        raise Uncovered("the schema has no such operations")
    fields: dict[str, LookupRoot | ResolverRoot | str] = {}
    try:
        collected = collect_fields(source.schema, source.fragments, source.variables, root_type, source.operation)
        for key, details in collected.grouped_field_set.items():
            fields[key] = root_field(source, root_type, key, details)
    except GraphQLError as error:  # a variable with a default passes validation here, and may still be null
        raise Uncovered("a null in @skip or @include") from error
    return Plan(fields)


def root_field(
    source: Compilation, root_type: GraphQLObjectType, key: str, details: list[FieldDetails]
) -> LookupRoot | ResolverRoot | str:
    """Return how a root field gets its value."""
    name = details[0].node.name.value
    if name == "__typename":
        return root_type.name
    if name.startswith("__"):
        raise Uncovered("introspection")
    definition = root_type.fields[name]
    binding = source.bindings(root_type, name, definition)
    if isinstance(binding, Lookup) and source.operation.operation is OperationType.QUERY:
        object_type = get_named_type(definition.type)
        if isinstance(object_type, GraphQLObjectType):
            selection = (name, *(print_ast(detail.node.selection_set) for detail in details if detail.node.selection_set))
            found = source.looked_up.get(selection) or found_things(source, binding, object_type, details)
            source.looked_up[selection] = found
            return LookupRoot(binding, arguments(definition, details), found, is_non_null_type(definition.type))
    shape_of_value = value_shape(source, definition.type, details)
    return ResolverRoot(
        key, root_type, definition, [detail.node for detail in details], arguments(definition, details), shape_of_value
    )


def found_things(source: Compilation, binding: Lookup, type_: GraphQLObjectType, details: list[FieldDetails]) -> Found:
    """Return what is shown of things that a root field finds, as JSON where their source can write it."""
    shape = object_shape(source, type_, details, Columns())
    lists: list[Arguments] = []
    shown = shown_fields(source, type_, details, lists) if binding.render else None
    return Found(shape, RenderedThing(binding.render(shown), ListArguments(lists)) if binding.render and shown else None)


def value_shape(source: Compilation, type_: Any, details: list[FieldDetails]) -> Shape:
    """Return the shape of a value that a resolver or a parent holds."""
    if is_non_null_type(type_):
        return NonNullShape(value_shape(source, type_.of_type, details))
    if is_list_type(type_):
        return ListShape(value_shape(source, type_.of_type, details))
    if is_leaf_type(type_):
        return LeafShape(type_.serialize)
    if is_abstract_type(type_):
        shapes = []
        for possible in source.schema.get_possible_types(type_):
            if possible.is_type_of is None:
                raise Uncovered(f"the possible types of {type_.name} do not tell themselves apart")
            shapes.append((type_test(possible), object_shape(source, possible, details, None)))
        return AbstractShape(shapes)
    return object_shape(source, type_, details, None)


def type_test(type_: GraphQLObjectType) -> Callable[[Any], bool]:
    """Return the test for values that are shown as this type."""
    is_type_of = type_.is_type_of
    return lambda value: bool(is_type_of(value, None))  # type: ignore[misc, arg-type]  # checked by the caller; ours need no info


def object_shape(
    source: Compilation, type_: GraphQLObjectType, details: list[FieldDetails], columns: Columns | None
) -> ObjectShape:
    """Return the shape of an object type's selection; `columns` where its rows are fetched by the plan itself."""
    builder = Builder(columns)
    shape = ObjectShape(type_.name, lambda row: {}, ())
    expression = object_expression(source, type_, details, builder, shape)
    shape.build = compiled(f"lambda r: {expression}", builder.names)
    shape.columns = tuple(columns.names) if columns else ()
    return shape


def object_expression(
    source: Compilation, type_: GraphQLObjectType, details: list[FieldDetails], builder: Builder, shape: ObjectShape
) -> str:
    """Return the expression of an object; what must be fetched is added to the shape's children, its place left None."""
    entries = []
    for key, field_details in source.subfields(type_, details).items():
        name = field_details[0].node.name.value
        if name == "__typename":
            entries.append(f"{key!r}: {type_.name!r}")
            continue
        definition = type_.fields[name]
        value = field_expression(source, type_, key, definition, field_details, builder, shape)
        entries.append(f"{key!r}: {value}")
    return "{" + ", ".join(entries) + "}"


def field_expression(
    source: Compilation,
    type_: GraphQLObjectType,
    key: str,
    definition: GraphQLField,
    details: list[FieldDetails],
    builder: Builder,
    shape: ObjectShape,
) -> str:
    """Return the expression of one field, "None" where a child fills its place later."""
    name = details[0].node.name.value
    match source.bindings(type_, name, definition):
        case Attribute() | Derived() as binding if is_leaf_type(get_named_type(definition.type)):
            return builder.leaf(definition.type, binding)
        case Attribute(attribute) if builder.columns is None:
            shape.children.append(AttributeChild(key, builder.getter(attribute), value_shape(source, definition.type, details)))
        case ToOne() | ToMany() if builder.prefix:
            raise Uncovered("a joined object with children")  # known before they are compiled: twice a level would add up
        case ToOne() as binding:
            joined = joined_expression(source, definition, details, builder, binding)
            if joined is not None:
                return joined
            shape.children.append(to_one_child(source, key, definition, details, builder, binding))
        case ToMany() as binding:
            shape.children.append(list_child(source, key, definition, details, builder, binding))
        case _:
            raise Uncovered(f"{type_.name}.{name} has a resolver of its own")
    return "None"


def joined_expression(
    source: Compilation, definition: GraphQLField, details: list[FieldDetails], builder: Builder, binding: ToOne
) -> str | None:
    """Return the expression of a to-one object whose columns the parent's fetch brings along; None where that cannot be."""
    type_ = get_named_type(definition.type)
    if builder.columns is None or binding.join is None or builder.prefix or not is_object_type(type_):
        return None
    columns, names = list(builder.columns.names), dict(builder.names)
    joined = Builder(builder.columns, f"{binding.join}.", builder.names)
    try:
        return object_expression(source, type_, details, joined, ObjectShape("", lambda row: {}, ()))
    except Uncovered:
        builder.columns.names[:] = columns
        builder.names.clear()
        builder.names.update(names)
        return None


def to_one_child(
    source: Compilation, key: str, definition: GraphQLField, details: list[FieldDetails], builder: Builder, binding: ToOne
) -> ToOneChild:
    """Return the child that fetches a thing or a fact."""
    type_, required = get_named_type(definition.type), is_non_null_type(definition.type)
    getter = builder.getter(binding.column)
    if is_leaf_type(type_):
        return ToOneChild(key, binding, getter, LeafShape(type_.serialize), None, required)
    if not isinstance(type_, GraphQLObjectType):
        raise Uncovered(f"{binding.name} is abstract")
    shape = object_shape(source, type_, details, Columns())
    return ToOneChild(key, binding, getter, shape, shape.columns, required)


def to_many_child(
    source: Compilation, key: str, definition: GraphQLField, details: list[FieldDetails], builder: Builder, binding: ToMany
) -> ToManyChild:
    """Return the child that fetches a list."""
    type_, columns = get_named_type(definition.type), Columns()
    if not isinstance(type_, GraphQLObjectType):
        raise Uncovered(f"{binding.name} is abstract")
    if binding.is_connection:
        show: Any = connection_shape(source, type_, details, columns)
    else:
        show = RowsShape(object_shape(source, type_, details, columns))
    return ToManyChild(key, binding, builder.getter(binding.column), arguments(definition, details), tuple(columns.names), show)


def list_child(
    source: Compilation, key: str, definition: GraphQLField, details: list[FieldDetails], builder: Builder, binding: ToMany
) -> ToManyChild | RenderedChild:
    """Return the child that fetches a list, as JSON where its source can write what is shown of it."""
    plain = to_many_child(source, key, definition, details, builder, binding)
    lists: list[Arguments] = []
    shown = shown_list(source, key, definition, details, binding, lists)
    return RenderedChild(plain, binding.render(shown), ListArguments(lists)) if binding.render and shown else plain


def connection_shape(
    source: Compilation, type_: GraphQLObjectType, details: list[FieldDetails], columns: Columns
) -> ConnectionShape:
    """Return the shape of a connection: edges { cursor node }, nodes, pageInfo, in any order and under any names."""
    rows: dict[str, RowsShape] = {}
    parts: dict[str, PagePart] = {}
    shows_cursors = False
    for key, field_details in source.subfields(type_, details).items():
        name = field_details[0].node.name.value
        if name == "__typename":
            parts[key] = constant(type_.name)
        elif name == "nodes":
            rows[key] = rows_shape(source, type_.fields[name], field_details, columns)
            parts[key] = share_of(key)
        elif name == "edges":
            parts[key] = edges_part(source, key, type_.fields[name], field_details, columns, rows)
        elif name == "pageInfo":
            parts[key] = page_info_part(source, type_.fields[name], field_details)
        else:
            raise Uncovered(f"{type_.name}.{name}")
        shows_cursors = shows_cursors or name in {"edges", "pageInfo"}
    return ConnectionShape(rows, parts, shows_cursors)


def rows_shape(source: Compilation, definition: GraphQLField, details: list[FieldDetails], columns: Columns) -> RowsShape:
    """Return the shape of a page's nodes."""
    type_ = get_named_type(definition.type)
    if not isinstance(type_, GraphQLObjectType):
        raise Uncovered(f"{type_} is abstract")
    return RowsShape(object_shape(source, type_, details, columns))


def constant(value: Any) -> PagePart:
    """Return the part that is always the same."""
    return lambda _page, _cursors, _share: value


def share_of(name: str) -> PagePart:
    """Return the part that shows a page's completed rows."""
    return lambda _page, _cursors, share: share[name]


def edges_part(
    source: Compilation,
    key: str,
    definition: GraphQLField,
    details: list[FieldDetails],
    columns: Columns,
    rows: dict[str, RowsShape],
) -> PagePart:
    """Return the part that shows a page's edges."""
    type_: Any = get_named_type(definition.type)
    entries = []  # response key, and where the value comes from: the cursors, or a selection of nodes
    for edge_key, edge_details in source.subfields(type_, details).items():
        name = edge_details[0].node.name.value
        if name == "node":
            rows[f"{key}.{edge_key}"] = rows_shape(source, type_.fields[name], edge_details, columns)
            entries.append((edge_key, f"{key}.{edge_key}"))
        elif name in {"cursor", "__typename"}:
            entries.append((edge_key, f".{name}"))  # no alias can look like these
        else:
            raise Uncovered(f"{type_}.{name}")

    def part(page: Any, cursors: list[str], share: dict[str, list[Any]]) -> Any:
        sources = {".cursor": cursors, ".__typename": [type_.name] * len(page.rows), **share}
        return [{name: sources[place][index] for name, place in entries} for index in range(len(page.rows))]

    return part


PAGE_INFO: dict[str, Callable[[Any, list[str]], Any]] = {
    "hasNextPage": lambda page, _cursors: page.has_next,
    "hasPreviousPage": lambda page, _cursors: page.has_previous,
    "startCursor": lambda _page, cursors: cursors[0] if cursors else None,
    "endCursor": lambda _page, cursors: cursors[-1] if cursors else None,
    "__typename": lambda _page, _cursors: "PageInfo",
}


def page_info_part(source: Compilation, definition: GraphQLField, details: list[FieldDetails]) -> PagePart:
    """Return the part that shows what lies around a page."""
    type_ = get_named_type(definition.type)
    selected = source.subfields(type_, details)  # type: ignore[arg-type]  # PageInfo is an object
    entries = {key: PAGE_INFO[field_details[0].node.name.value] for key, field_details in selected.items()}
    return lambda page, cursors, _share: {key: show(page, cursors) for key, show in entries.items()}
