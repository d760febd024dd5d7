"""The steps of plans: fetches, and shapes that turn rows into plain values, a whole level at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from graphql import FieldNode, GraphQLField, Undefined, get_argument_values
from graphql.execution.executor import Executor
from graphql.execution.values import VariableValues

from app.engine.bindings import ToMany, ToOne
from app.engine.rendering import Renderer


class Uncovered(Exception):
    """The operation has something that plans do not cover; the text says what."""


class Anomaly(Exception):
    """The answer has an error in it: graphql-core must complete the operation."""


@dataclass(slots=True)
class Run:
    """One run of a plan.

    `make_executor` gives graphql-core's executor of the same operation, for root fields whose resolvers want to know where they
    are. `data` is what root fields have shown so far, and `outcomes` remembers what their resolvers gave or raised: a mutation
    that graphql-core must complete is not done again, nor shown as it looks after those behind it.
    """

    context: Any  # the caller's
    variables: VariableValues
    make_executor: Callable[[], Executor[Any]]
    data: dict[str, Any] = field(default_factory=dict)
    outcomes: dict[str, Any] = field(default_factory=dict)
    made: Executor[Any] | None = None

    @property
    def executor(self) -> Executor[Any]:
        """The executor, made when it is first wanted: it costs as much as the rest of a small run."""
        if self.made is None:
            self.made = self.make_executor()
        return self.made


class Shape(Protocol):
    """Turns the values of one place in the operation, for all parents of a level at once, into plain values in the same order."""

    async def complete(self, run: Run, values: Sequence[Any]) -> list[Any]:
        """Return what is shown for each value.

        Raises:
            Anomaly: one of them cannot be shown.
        """

    def explain(self, indent: int) -> list[str]:
        """Return lines that tell a person what this does."""


@dataclass(frozen=True, slots=True)
class Passed:
    """An argument whose whole value is a variable."""

    name: str  # under which the resolver takes it
    variable: str
    default: Any  # Undefined: it is left out where the variable is
    is_required: bool


@dataclass(frozen=True, slots=True)
class Arguments:
    """A field's arguments: known when the plan was made, or read from the variables at each run."""

    definition: GraphQLField
    node: FieldNode
    constant: dict[str, Any] | None  # all of them, where no variable is in any
    passed: tuple[Passed, ...] | None = None  # those that are variables, where the others are `known`; None: it is not so simple
    known: dict[str, Any] = field(default_factory=dict)

    def values(self, run: Run) -> dict[str, Any]:
        """Return the coerced arguments.

        Raises:
            GraphQLError: one is not acceptable.
        """
        if self.constant is not None:
            return self.constant
        if self.passed is None:
            return get_argument_values(self.definition, self.node, run.variables)
        coerced, values = run.variables.coerced, dict(self.known)
        for argument in self.passed:
            value = coerced.get(argument.variable, argument.default)
            if argument.is_required and (value is None or value is Undefined):
                return get_argument_values(self.definition, self.node, run.variables)  # which says what is wrong
            if value is not Undefined:
                values[argument.name] = value
        return values


class ListArguments:
    """The arguments of all lists in a text, each before those in its rows. Where they are known they are the same object in each
    run, so that whoever reads sizes in them need not do so again."""

    __slots__ = ("_all", "_known")

    def __init__(self, all_: Sequence[Arguments]) -> None:
        self._all = tuple(all_)
        known = [arguments.constant for arguments in all_ if arguments.constant is not None]
        self._known = known if len(known) == len(self._all) else None

    def values(self, run: Run) -> Sequence[dict[str, Any]]:
        """Return the coerced arguments.

        Raises:
            GraphQLError: one is not acceptable.
        """
        return [arguments.values(run) for arguments in self._all] if self._known is None else self._known


class Child(Protocol):
    """Something below an object that must be fetched or completed for all objects of a level at once."""

    async def attach(self, run: Run, rows: Sequence[Any], shown: Sequence[dict[str, Any]]) -> None:
        """Fill its place in each shown object from the row of the same index."""

    def explain(self, indent: int) -> list[str]:
        """Return lines that tell a person what this does."""


@dataclass(slots=True)
class ObjectShape:
    """An object type's selection: `build` makes the plain object of a row, with the children's places still empty."""

    type_name: str
    build: Callable[[Any], dict[str, Any]]
    columns: tuple[str, ...]  # what the rows must hold; empty where rows are things with attributes
    children: list[Child] = field(default_factory=list)

    async def complete(self, run: Run, values: Sequence[Any]) -> list[Any]:
        """Return an object for each row, None for None."""
        build = self.build
        if None in values:
            present = [value for value in values if value is not None]
            shown = iter(await self.complete(run, present))
            return [None if value is None else next(shown) for value in values]
        objects = [build(row) for row in values]
        if objects:
            for child in self.children:
                await child.attach(run, values, objects)
        return objects

    def explain(self, indent: int) -> list[str]:
        """Return lines that tell a person what this does."""
        columns = f" ({', '.join(self.columns)})" if self.columns else ""
        lines = [f"{'  ' * indent}{self.type_name}{columns}"]
        for child in self.children:
            lines += child.explain(indent + 1)
        return lines


@dataclass(frozen=True, slots=True)
class ToOneChild:
    """A related thing, fetched once for each distinct key of a level."""

    response_key: str
    binding: ToOne
    key_of: Callable[[Any], Any]
    shape: Shape | None  # None: the fetched value is shown as it is (a fact)
    columns: tuple[str, ...] | None
    required: bool

    async def attach(self, run: Run, rows: Sequence[Any], shown: Sequence[dict[str, Any]]) -> None:
        """Fetch and fill in."""
        keys = [self.key_of(row) for row in rows]
        distinct = [key for key in dict.fromkeys(keys) if key is not None]
        values: Sequence[Any] = await self.binding.fetch(run.context, distinct, self.columns) if distinct else []
        if self.shape is not None:
            values = await self.shape.complete(run, values)
        found = dict(zip(distinct, values, strict=True))
        for key, target in zip(keys, shown, strict=True):
            value = found.get(key)
            if value is None and self.required:
                raise Anomaly
            target[self.response_key] = value

    def explain(self, indent: int) -> list[str]:
        """Return lines that tell a person what this does."""
        lines = [f"{'  ' * indent}{self.response_key}: fetch {self.binding.name}, once for each distinct {self.binding.column}"]
        return lines + (self.shape.explain(indent + 1) if self.shape else [])


@dataclass(frozen=True, slots=True)
class ToManyChild:
    """A list for each object of a level, fetched together; `show` makes a page what the field shows."""

    response_key: str
    binding: ToMany
    key_of: Callable[[Any], Any]
    arguments: Arguments
    columns: tuple[str, ...]
    show: "PageShape"

    async def attach(self, run: Run, rows: Sequence[Any], shown: Sequence[dict[str, Any]]) -> None:
        """Fetch and fill in."""
        keys = [self.key_of(row) for row in rows]
        distinct = keys if len(set(keys)) == len(keys) else list(dict.fromkeys(keys))
        pages = await self.binding.fetch(run.context, distinct, self.columns, self.arguments.values(run))
        lists, name = await self.show.complete(run, pages), self.response_key
        if distinct is keys:
            for target, list_ in zip(shown, lists, strict=True):
                target[name] = list_
            return
        found = dict(zip(distinct, lists, strict=True))
        for key, target in zip(keys, shown, strict=True):
            target[name] = found[key]

    def explain(self, indent: int) -> list[str]:
        """Return lines that tell a person what this does."""
        known = self.arguments.constant
        arguments = "arguments from variables" if known is None else str({k: v for k, v in known.items() if v is not None})
        lines = [f"{'  ' * indent}{self.response_key}: fetch {self.binding.name} for all parents at once, {arguments}"]
        return lines + self.show.explain(indent + 1)


@dataclass(frozen=True, slots=True)
class RenderedChild:
    """A list whose JSON comes finished from its source, for each object of a level; `plain` stands in where it does not."""

    plain: ToManyChild
    render: Renderer
    lists: "ListArguments"  # its own and those of the lists in its rows

    async def attach(self, run: Run, rows: Sequence[Any], shown: Sequence[dict[str, Any]]) -> None:
        """Fetch and fill in."""
        keys, name = [self.plain.key_of(row) for row in rows], self.plain.response_key
        distinct = list(dict.fromkeys(keys))
        texts = await self.render(run.context, distinct, self.lists.values(run))
        if texts is None:
            await self.plain.attach(run, rows, shown)
            return
        found = dict(zip(distinct, texts, strict=True))
        for key, target in zip(keys, shown, strict=True):
            target[name] = found[key]

    def explain(self, indent: int) -> list[str]:
        """Return lines that tell a person what this does."""
        [first, *more] = self.plain.explain(indent)
        return [f"{first}, as JSON written by the database", *more]


class PageShape(Protocol):
    """Shows the pages of a level."""

    async def complete(self, run: Run, values: Sequence[Any]) -> list[Any]:
        """Return what is shown for each page."""

    def explain(self, indent: int) -> list[str]:
        """Return lines that tell a person what this does."""


@dataclass(frozen=True, slots=True)
class AttributeChild:
    """A composite value that lies in the parent itself."""

    response_key: str
    value_of: Callable[[Any], Any]
    shape: Shape

    async def attach(self, run: Run, rows: Sequence[Any], shown: Sequence[dict[str, Any]]) -> None:
        """Complete and fill in."""
        completed = await self.shape.complete(run, [self.value_of(row) for row in rows])
        for value, target in zip(completed, shown, strict=True):
            target[self.response_key] = value

    def explain(self, indent: int) -> list[str]:
        """Return lines that tell a person what this does."""
        return [f"{'  ' * indent}{self.response_key}: of the parent", *self.shape.explain(indent + 1)]
