"""A small graph without any social word: shelves hold boxes, boxes hold things; fetched from memory, each call noted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import orjson
from graphql import GraphQLField, GraphQLObjectType, build_schema, parse, validate
from graphql.execution.executor import Executor

from app.engine import Attribute, Binding, Compilation, Lookup, Plan, Run, ToMany, ToOne, compile_operation

SCHEMA = build_schema("""
interface Named { name: String! }
type Shelf implements Named { id: ID! name: String! note: String colour: Colour width: Float boxes(first: Int = 2): [Box!]!
  pages(first: Int, after: String): BoxPages! weight: Int! hint: String odd: String tags: [String!] }
type Box implements Named { id: ID! name: String! shelf: Shelf! inner: Box side: Thing }
type Key implements Named { name: String! opens: Box }
union Thing = Box | Key
enum Colour { RED BLUE }
type Line { text: String! }
type Grid { cells: [[Line]]! strict: [[Line!]!] numbers: [[Int]] line: Line sure: Line! colour: Colour }
type BoxPages { edges: [BoxEdge!]! nodes: [Box!]! pageInfo: PageInfo! count: Int }
type BoxEdge { cursor: String! node: Box! weight: Int }
type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
type Query { shelf(id: ID!): Shelf sure(id: ID!): Shelf! shelves(ids: [ID!]): [Shelf] named: [Named] things: [Thing!] grid: Grid
  sum(a: Int! = 1, b: Int = 2, of: [Int!] = [3], box: In): Int fails: Int failing: Int! }
input In { a: Int! = 5 b: [Int] }
type Mutation { set(to: Int): Grid fail: Int }
""")

SHELVES: dict[Any, dict[str, Any]] = {
    "1": {"id": 1, "name": "top", "note": None, "colour": "red", "width": 1.5},
    "2": {"id": 2, "name": "low", "note": "by the door", "colour": None, "width": None},
    "3": {"id": 3, "name": "bare", "note": "", "colour": "blue", "width": 0.0},
}
BOXES: dict[Any, dict[str, Any]] = {
    11: {"id": 11, "name": "a", "shelf_id": 1, "inner_id": 12},
    12: {"id": 12, "name": "b", "shelf_id": 1, "inner_id": None},
    13: {"id": 13, "name": "c", "shelf_id": 1, "inner_id": 99},
    21: {"id": 21, "name": "d", "shelf_id": 2, "inner_id": 12},
}


class Row(tuple[Any, ...]):
    """A row as a store gives it."""

    __slots__ = ()


@dataclass
class Page:
    """A page of one parent's boxes."""

    rows: Sequence[Any]
    has_next: bool
    has_previous: bool
    keys: Sequence[int]

    def cursors(self) -> list[str]:
        """Return each row's cursor."""
        return [f"c{key}" for key in self.keys]


@dataclass
class Context:
    """One run: what was fetched, and what shall go wrong."""

    calls: list[tuple[str, list[Any], tuple[str, ...] | None, dict[str, Any] | None]] = field(default_factory=list)
    root: dict[str, Any] = field(default_factory=dict)
    broken: str | None = None
    missing: Any = None

    def note(
        self, name: str, keys: Sequence[Any], columns: Sequence[str] | None, arguments: dict[str, Any] | None = None
    ) -> None:
        """Note a fetch, and fail if it shall."""
        self.calls.append((name, list(keys), None if columns is None else tuple(columns), arguments))
        if name == self.broken:
            raise LookupError(name)


def row(table: dict[Any, dict[str, Any]], thing: dict[str, Any], columns: Sequence[str] | None) -> Any:
    """Return a thing's columns, with those of what is joined."""
    if columns is None:
        return SimpleNamespace(**thing)
    shelf = SHELVES.get(str(thing.get("shelf_id")), {})
    return Row(shelf[name.removeprefix("shelf.")] if name.startswith("shelf.") else thing[name] for name in columns)


async def shelves(ctx: Context, keys: Sequence[Any], columns: Sequence[str] | None) -> list[Any]:
    """Fetch shelves by id."""
    ctx.note("shelf", keys, columns)
    found = [SHELVES.get(str(key)) if str(key) != ctx.missing else None for key in keys]
    return [row(SHELVES, one, columns) if one else None for one in found]


async def boxes(ctx: Context, keys: Sequence[Any], columns: Sequence[str] | None) -> list[Any]:
    """Fetch boxes by id."""
    ctx.note("box", keys, columns)
    return [row(BOXES, BOXES[key], columns) if key in BOXES else None for key in keys]


async def weights(ctx: Context, keys: Sequence[Any], columns: Sequence[str] | None) -> list[Any]:
    """Fetch a fact; shelf 3 has none."""
    ctx.note("weight", keys, columns)
    return [None if key == 3 else key * 10 for key in keys]


async def pages(ctx: Context, keys: Sequence[Any], columns: Sequence[str], arguments: dict[str, Any]) -> list[Page]:
    """Fetch a page of the boxes of each shelf."""
    ctx.note("boxes", keys, columns, arguments)
    found, size = [], arguments.get("first")
    for key in keys:
        mine = [box for box in BOXES.values() if box["shelf_id"] == key]
        start = next((i + 1 for i, box in enumerate(mine) if f"c{box['id']}" == arguments.get("after")), 0)
        part = mine[start : start + (2 if size is None else size)]
        ids = [box["id"] for box in part]
        found.append(Page([row(BOXES, box, columns) for box in part], len(mine) > start + len(part), start > 0, ids))
    return found


SHELF = ToOne("shelf", "shelf_id", shelves, join="shelf")
BINDINGS: dict[str, Binding] = {
    "Shelf.boxes": ToMany("shelf.boxes", "id", pages, is_connection=False),
    "Shelf.pages": ToMany("shelf.pages", "id", pages, is_connection=True),
    "Shelf.weight": ToOne("shelf.weight", "id", weights),
    "Shelf.hint": ToOne("shelf.hint", "id", weights),
    "Box.shelf": SHELF,
    "Box.inner": ToOne("box.inner", "inner_id", boxes),
    "Box.side": ToOne("box.side", "id", boxes),
    "Query.shelf": Lookup("shelf", lambda arguments: (arguments["id"], ToOne("shelf", "", shelves))),
    "Query.sure": Lookup("sure", lambda arguments: (arguments["id"], ToOne("shelf", "", shelves))),
}


def bindings(type_: GraphQLObjectType, name: str, _field: GraphQLField) -> Binding | None:
    """Return what the toy graph says of a field."""
    return None if name == "odd" else BINDINGS.get(f"{type_.name}.{name}", Attribute(name))


def resolve(name: str) -> Any:
    """Return the resolver of a root field: what the context holds under its name."""

    async def resolver(_root: Any, info: Any, **arguments: Any) -> Any:
        value = info.context.root[name]
        value = value(**arguments) if callable(value) else value
        if isinstance(value, Exception):
            raise value
        return value

    return resolver


for type_name in ("Query", "Mutation"):
    for field_name, definition in SCHEMA.type_map[type_name].fields.items():  # type: ignore[attr-defined]  # both are objects
        definition.resolve = resolve(field_name)
for type_name in ("Shelf", "Box", "Key"):
    SCHEMA.type_map[type_name].is_type_of = (  # type: ignore[attr-defined]  # all are objects
        lambda value, _info, kind=type_name: getattr(value, "kind", None) == kind
    )
SCHEMA.type_map["Colour"].values["RED"].value = "red"  # type: ignore[attr-defined]  # an enum
SCHEMA.type_map["Colour"].values["BLUE"].value = "blue"  # type: ignore[attr-defined]  # an enum


def executor(query: str, variables: dict[str, Any] | None, ctx: Context) -> Executor[Any]:
    """Return graphql-core's executor of a valid query."""
    document = parse(query)
    assert validate(SCHEMA, document) == []
    built = Executor.build(SCHEMA, document, context_value=ctx, raw_variable_values=variables or {})
    assert isinstance(built, Executor), built
    return built


def compiled(query: str, variables: dict[str, Any] | None = None) -> Plan:
    """Return the plan of a query."""
    built = executor(query, variables, Context())
    return compile_operation(Compilation(SCHEMA, bindings, built.fragments, built.operation, built.variable_values))


async def shown(query: str, variables: dict[str, Any] | None = None, ctx: Context | None = None) -> str:
    """Return a query's data as JSON."""
    return orjson.dumps(await compiled(query, variables).run(run_of(query, variables, ctx or Context()))).decode()


def run_of(query: str, variables: dict[str, Any] | None, ctx: Context) -> Run:
    """Return a run of a valid query."""
    built = executor(query, variables, ctx)
    return Run(ctx, built.variable_values, lambda: built)
