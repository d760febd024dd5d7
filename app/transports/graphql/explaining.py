"""How an operation would run, told to a person: its steps, the SQL that each would send, and what it may cost.

The SQL comes from the very functions that run it, called with one made-up key on a database that notes what it is sent.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLID,
    OperationType,
    get_named_type,
    is_list_type,
    is_non_null_type,
    type_from_ast,
)
from graphql.execution.values import VariableValues

from app.engine import Completing, Plan, Run, TooComplex, Uncovered
from app.engine.plan import LookupRoot, ResolverRoot
from app.engine.shapes import AbstractShape, ConnectionShape, ListShape, NonNullShape, RowsShape
from app.engine.steps import AttributeChild, Child, ObjectShape, RenderedChild, Shape, ToManyChild, ToOneChild
from app.infra.recording import Recording
from app.services.budgets import shown_number
from app.services.context import RequestContext
from app.transports.graphql.admission import largest_size, refusal_of
from app.transports.graphql.documents import Operation, Refusal

EXAMPLE_ID = 1
MADE_UP = {"ID": "1", "Int": 1, "Float": 1.0, "String": "a", "Boolean": False}
NOT_PLANNED = "Not planned: {reason}. graphql-core executes the whole operation."


async def explained(
    ctx: RequestContext, db: Recording, operation: Operation, given: dict[str, Any]
) -> list[str] | list[GraphQLError]:
    """Return the operation's plan in lines, or what is wrong with the variables.

    `db` is the database of `ctx`. Variables that are needed and not given are made up, but for those in @skip and @include, which
    shape the plan.
    """
    made_up = made_up_variables(operation, given)
    values = given | made_up
    variables = operation.variables(values, hide_suggestions=False)
    if isinstance(variables, Refusal):
        return variables.errors

    def executor() -> Completing:
        return operation.executor(ctx, values)

    plan = operation.plan(variables, executor)
    if isinstance(plan, Uncovered):
        lines = [NOT_PLANNED.format(reason=plan)]
    else:
        lines = await Teller(db, Run(ctx, variables, executor)).plan(plan)
    if made_up:
        told = ", ".join(f"${name} = {value!r}" for name, value in made_up.items())
        lines += ["", f"Made up: {told}. Give yours with --variables."]
    return [*lines, "", cost_line(ctx, operation, variables, executor)]


def made_up_variables(operation: Operation, given: dict[str, Any]) -> dict[str, Any]:
    """Return a value for each variable that is missing, as far as one can be made up."""
    made_up = {}
    for definition in operation.node.variable_definitions or ():
        name, type_ = definition.variable.name.value, type_from_ast(operation.schema, definition.type)
        named = get_named_type(type_)
        is_needed = is_non_null_type(type_) or named is GraphQLID
        if name in given or name in operation.flags or definition.default_value or not is_needed or named is None:
            continue
        if named.name in MADE_UP:
            value = MADE_UP[named.name]
            made_up[name] = [value] if is_list_type(type_.of_type if is_non_null_type(type_) else type_) else value
    return made_up


def cost_line(ctx: RequestContext, operation: Operation, variables: VariableValues, executor: Callable[[], Completing]) -> str:
    """Return what the operation may cost, as admission reckons it."""
    try:
        formula = operation.formula(variables, executor, largest_size=largest_size(ctx.settings))
    except TooComplex:
        return "Cost: beyond reckoning; the operation would be refused."
    estimate = formula.estimate(variables.coerced)
    refusal = refusal_of(estimate, ctx.settings)
    verdict = f" Refused with {refusal.code}." if refusal else ""
    cost, nodes = shown_number(math.ceil(estimate.cost)), shown_number(estimate.nodes)
    return f"Cost: at most {cost} points and {nodes} rows; depth {operation.depth}.{verdict}"


class Teller:
    """Walks a plan and tells its steps, each with the statements it sends."""

    def __init__(self, db: Recording, run: Run) -> None:
        self._db = db
        self._run = run

    async def plan(self, plan: Plan) -> list[str]:
        """Return the lines of a whole plan."""
        lines = []
        for key, root in plan.fields.items():
            if isinstance(root, str):
                lines.append(f"{key}: {root}")
            else:
                lines += [f"{key}:", *await self._root(root)]
        return lines

    async def _root(self, root: LookupRoot | ResolverRoot) -> list[str]:
        told, *below = root.explain(1)
        if isinstance(root, LookupRoot):
            is_text = False

            async def look_up() -> None:
                nonlocal is_text
                key, relation = root.binding.key(root.arguments.values(self._run))
                found = root.found
                is_text = found.rendered is not None and await found.rendered.texts(self._run, relation, [key]) is not None
                if not is_text:
                    await relation.fetch(self._run.context, [key], found.shape.columns)

            statements = await self._statements(2, look_up)
            return [told, *statements, *(below if is_text else await self._shape(2, root.found.shape))]
        is_query = self._run.executor.operation.operation is OperationType.QUERY
        statements = await self._statements(2, lambda: root.resolved(self._run)) if is_query else []  # what others do depends
        return [told, *statements, *await self._shape(2, root.shape)]

    async def _shape(self, indent: int, shape: Shape | ObjectShape | RowsShape | ConnectionShape | None) -> list[str]:
        match shape:
            case ObjectShape():
                lines = [shape.explain(indent)[0]]
                for child in shape.children:
                    lines += await self._child(indent + 1, child)
                return lines
            case NonNullShape() | ListShape():
                return await self._shape(indent, shape.inner)
            case RowsShape():
                return await self._shape(indent, shape.row)
            case AbstractShape():
                return [line for _, each in shape.possible for line in await self._shape(indent, each)]
            case ConnectionShape():
                return [line for each in shape.rows.values() for line in await self._shape(indent, each)]
            case _:
                return []

    async def _child(self, indent: int, child: Child) -> list[str]:
        told, ctx, statements = child.explain(indent)[0], self._run.context, list[str]()
        match child:
            case ToOneChild():
                shape: Any = child.shape
                statements = await self._statements(indent + 1, lambda: child.binding.fetch(ctx, [EXAMPLE_ID], child.columns))
            case ToManyChild():
                shape = child.show

                async def fetch() -> None:
                    await child.binding.fetch(ctx, [EXAMPLE_ID], child.columns, child.arguments.values(self._run))

                statements = await self._statements(indent + 1, fetch)
            case RenderedChild():
                return await self._rendered(indent, child)
            case AttributeChild():
                shape = child.shape
        return [told, *statements, *await self._shape(indent + 1, shape)]

    async def _rendered(self, indent: int, child: RenderedChild) -> list[str]:
        """Return the lines of a list that comes as JSON: one statement for all that is in it; or as rows, with such arguments."""
        told, *below = child.explain(indent)
        is_text = False

        async def render() -> None:
            nonlocal is_text
            is_text = await child.render(self._run.context, [EXAMPLE_ID], child.lists.values(self._run)) is not None

        statements = await self._statements(indent + 1, render)
        return [told, *statements, *below] if is_text else await self._child(indent, child.plain)

    async def _statements(self, indent: int, act: Callable[[], Awaitable[Any]]) -> list[str]:
        """Return the statements that `act` sends, and why it would fail if it would."""
        before, reason = len(self._db.noted), ""
        try:
            await act()
        except Exception as error:  # whatever it is: the step would fail, and send no more than this
            reason = str(error)
        lines = [f"{'  ' * indent}SQL: {' '.join(sql.split())}" for sql in self._db.noted[before:]]
        return [*lines, f"{'  ' * indent}fails: {reason}"] if reason else lines
