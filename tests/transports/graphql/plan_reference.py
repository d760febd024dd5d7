"""The judge of plans: runs an operation by its plan and by graphql-core alone, and compares what they answer."""

from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
from graphql.execution import executor as graphql_core
from graphql.execution.values import VariableValues

from app.domain.models import Viewer
from app.engine import as_json
from app.infra.database import Database
from app.services.context import RequestContext, Resources
from app.services.lookups import Lookups
from app.transports.graphql.documents import Document, Documents, Operation
from app.transports.graphql.pipeline import Answer, answered, completed
from app.transports.graphql.schema import core_schema

PLANNED = "plan"
COMPLETED = "plan, completed by reference"
UNCOVERED = "reference"


class Different(AssertionError):
    """The plan's answer is not the reference's."""


async def one_after_the_other(*awaitables: Awaitable[Any]) -> list[Any]:
    """Stand in for graphql-core's gathering: siblings in their order, nothing after the first that fails."""
    return [await one for one in awaitables]


@dataclass
class Judge:
    """Runs operations both ways. Of several errors that null the same place only the first to happen is told; so that this order
    is defined, graphql-core executes one field after the other, unless `is_concurrent`."""

    resources: Resources
    db: Database
    viewer: Viewer | None = None
    is_concurrent: bool = False
    counts: Counter[str] = field(default_factory=Counter)  # operations by the executor that answered
    codes: Counter[str] = field(default_factory=Counter)  # errors in the reference's answers
    documents: Documents = field(init=False)

    def __post_init__(self) -> None:
        self.resources = replace(self.resources, db=self.db, lookups=Lookups(self.db))
        # What a document may hold is another test's subject.
        much = dict.fromkeys(("max_aliases", "max_root_fields", "max_directives", "max_selections"), 10**9)
        self.documents = Documents(core_schema(), self.resources.settings.model_copy(update=much))

    async def planned(self, query: str, variables: dict[str, Any] | None = None, name: str | None = None) -> Answer:
        """Return the answer as the server gives it."""
        operation, coerced = self.operation(query, variables, name)
        ctx = RequestContext(self.resources, self.viewer)
        try:
            with self.order():
                return await answered(ctx, operation, coerced, lambda: operation.executor(ctx, variables))
        finally:
            ctx.end()

    async def reference(self, query: str, variables: dict[str, Any] | None = None, name: str | None = None) -> Answer:
        """Return graphql-core's answer."""
        ctx = RequestContext(self.resources, self.viewer)
        operation, _ = self.operation(query, variables, name)
        try:
            with self.order():
                return await completed(operation.executor(ctx, variables))
        finally:
            ctx.end()

    @contextmanager
    def order(self) -> Iterator[None]:
        """Have graphql-core execute one field after the other while the context is open."""
        with pytest.MonkeyPatch.context() as patch:
            if not self.is_concurrent:
                patch.setattr(graphql_core, "gather_with_cancel", one_after_the_other)
            yield

    def operation(self, query: str, variables: dict[str, Any] | None, name: str | None) -> tuple[Operation, VariableValues]:
        """Return the operation and its variables, which must be valid."""
        document = self.documents.get(query)
        assert isinstance(document, Document), document.errors
        operation = document.operation(name)
        assert isinstance(operation, Operation), operation.errors
        coerced = operation.variables(variables, hide_suggestions=False)
        assert isinstance(coerced, VariableValues), coerced.errors
        return operation, coerced

    async def agree(self, query: str, variables: dict[str, Any] | None = None, name: str | None = None) -> Answer:
        """Run a query both ways; return the answer, its data as a client reads it.

        Raises:
            Different: data, order of keys, paths or codes differ, or the plan gave up where there is no error.
        """
        by_plan = await self.planned(query, variables, name)
        reference = await self.reference(query, variables, name)
        self.counts[by_plan.executor] += 1
        self.codes.update(error["extensions"]["code"] for error in reference.errors)
        differences = different(by_plan, reference)
        if differences:
            raise Different("\n".join([*differences, query, repr(variables)]))
        by_plan.data = orjson.loads(as_json(by_plan.data))
        return by_plan


def different(by_plan: Answer, reference: Answer) -> list[str]:
    """Return what tells the two answers apart."""
    found = []
    if as_json(by_plan.data) != as_json(reference.data):
        found.append(f"data by plan:  {as_json(by_plan.data)!r}\nby reference:  {reference.data}")
    if places(by_plan) != places(reference):
        found.append(f"errors by plan:  {by_plan.errors}\nby reference:  {reference.errors}")
    if by_plan.executor == COMPLETED and not reference.errors:
        found.append("the plan gave up on an operation that has no error")
    return found


def places(answer: Answer) -> Counter[tuple[str, str]]:
    """Return the errors by path and code."""
    return Counter((repr(error.get("path")), error["extensions"]["code"]) for error in answer.errors)
