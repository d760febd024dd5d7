"""Plans: the root fields of an operation, and how each gets what it shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLField, GraphQLObjectType
from graphql.pyutils import Path

from app.engine.bindings import Lookup, ToOne
from app.engine.rendering import Renderer
from app.engine.steps import Anomaly, Arguments, ListArguments, ObjectShape, Run, Shape


@dataclass(frozen=True, slots=True)
class RenderedThing:
    """A thing whose JSON comes finished from its source, with the lists in it."""

    renderer_of: Callable[[ToOne], Renderer | None]  # by the relation that finds it
    lists: ListArguments

    async def texts(self, run: Run, relation: ToOne, keys: Sequence[Any]) -> Sequence[Any] | None:
        """Return the text for each key, None for one that has nothing. None for all: fetch rows instead."""
        render = self.renderer_of(relation)
        return await render(run.context, keys, self.lists.values(run)) if render else None


@dataclass(slots=True, eq=False)
class Found:
    """What is shown of things that are found by their keys. Root fields with the same selection have the same one."""

    shape: ObjectShape
    rendered: RenderedThing | None

    async def shown(self, run: Run, relation: ToOne, keys: Sequence[Any]) -> Sequence[Any]:
        """Return what is shown for each key, None for one that has nothing."""
        if self.rendered is not None and (texts := await self.rendered.texts(run, relation, keys)) is not None:
            return texts
        return await self.shape.complete(run, await relation.fetch(run.context, keys, self.shape.columns))


@dataclass(frozen=True, slots=True)
class LookupRoot:
    """A root field that gives one thing by a key."""

    binding: Lookup
    arguments: Arguments
    found: Found
    required: bool

    async def value(self, run: Run) -> Any:
        """Return what the field shows, where it is the operation's only one."""
        key, relation = self.binding.key(self.arguments.values(run))
        [shown] = await self.found.shown(run, relation, (key,))
        if shown is None and self.required:
            raise Anomaly
        return shown

    def explain(self, indent: int) -> list[str]:
        """Return lines that tell a person what this does."""
        as_json = ", as JSON written by the database" if self.found.rendered else ""
        return [f"{'  ' * indent}fetch {self.binding.name} by key{as_json}", *self.found.shape.explain(indent + 1)]


@dataclass(frozen=True, slots=True)
class ResolverRoot:
    """A root field whose ordinary resolver gives the value."""

    response_key: str
    root_type: GraphQLObjectType
    definition: GraphQLField
    nodes: list[FieldNode]
    arguments: Arguments
    shape: Shape

    async def value(self, run: Run) -> Any:
        """Return what the field shows."""
        [shown] = await self.shape.complete(run, [await self.resolved(run)])
        return shown

    async def resolved(self, run: Run) -> Any:
        """Call the resolver and remember its outcome."""
        executor, resolve = run.executor, self.definition.resolve
        path = Path(None, self.response_key, self.root_type.name)
        info = executor.build_resolve_info(self.definition, self.nodes, self.root_type, path)
        arguments = self.arguments.values(run)
        try:
            value = resolve(executor.root_value, info, **arguments) if resolve else None
            outcome = await value if executor.is_awaitable(value) else value
        except Exception as error:
            run.outcomes[self.response_key] = error
            raise
        run.outcomes[self.response_key] = outcome
        return outcome

    def explain(self, indent: int) -> list[str]:
        """Return lines that tell a person what this does."""
        return [f"{'  ' * indent}call the resolver", *self.shape.explain(indent + 1)]


@dataclass(frozen=True, slots=True)
class Plan:
    """An operation ready to run: root fields in their order, run one after the other."""

    fields: dict[str, LookupRoot | ResolverRoot | str]  # by response key; a text stands for itself (__typename)

    async def run(self, run: Run) -> dict[str, Any]:
        """Return the operation's data.

        Raises:
            Anomaly, or whatever a fetch or a resolver raises: graphql-core must complete the operation.
        """
        found: dict[str, Any] | None = None
        for key, root in self.fields.items():
            if isinstance(root, LookupRoot):
                if len(self.fields) == 1:
                    return {key: await root.value(run)}
                found = await self._look_up(run) if found is None else found
                run.data[key] = found[key]
            else:
                run.data[key] = root if isinstance(root, str) else await root.value(run)
        return run.data

    async def _look_up(self, run: Run) -> dict[str, Any]:
        """Return what every look-up shows, by response key; those of one shape are fetched and completed together."""
        groups: dict[tuple[Found, int], tuple[ToOne, list[tuple[str, LookupRoot, Any]]]] = {}
        for name, root in self.fields.items():
            if isinstance(root, LookupRoot):
                key, relation = root.binding.key(root.arguments.values(run))
                groups.setdefault((root.found, id(relation)), (relation, []))[1].append((name, root, key))
        shown: dict[str, Any] = {}
        for (things, _), (relation, members) in groups.items():
            keys = list(dict.fromkeys(key for _, _, key in members))
            found = dict(zip(keys, await things.shown(run, relation, keys), strict=True))
            for name, root, key in members:
                if found[key] is None and root.required:
                    raise Anomaly
                shown[name] = found[key]
        return shown

    def explain(self) -> list[str]:
        """Return the plan for a person to read."""
        lines: list[str] = []
        for key, root in self.fields.items():
            lines += [f"{key}: {root}"] if isinstance(root, str) else [f"{key}:", *root.explain(1)]
        return lines
