"""The pipeline: parameters in, answers out, the same for HTTP and for sockets.

document (by text, hash or id; parsed, limited, validated: cached) → operation → variables → cost, limits, payment
(admission.py) → execution under a deadline → answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import structlog
from graphql import ExecutionResult, GraphQLError
from graphql.execution.executor import Executor
from graphql.execution.values import VariableValues

from app.domain.errors import DeadlineExceeded, Overloaded, Throttled
from app.engine import Completing, Run, Uncovered, as_json
from app.infra.deadline import Deadline
from app.services.context import RequestContext
from app.transports.errors import Problem, RequestError, problem_of
from app.transports.graphql import stock
from app.transports.graphql.admission import Bill, admitted, explained, settle, shown_cost
from app.transports.graphql.documents import Documents, Operation, Refusal
from app.transports.graphql.parameters import Parameters
from app.transports.graphql.persisted import Persisted

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Answer:
    """A GraphQL response. `data` is absent where the request was refused before execution, as the specification wants it."""

    data: dict[str, Any] | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    extensions: dict[str, Any] = field(default_factory=dict)
    refusal: Problem | None = None  # set: there is no data entry, and this is the first error
    status: int = 200  # of an HTTP response of the newer media type
    executor: str = "reference"  # which one ran
    went_through: bool = True  # False: it never was a GraphQL request, or the server failed

    @property
    def body(self) -> dict[str, Any]:
        """The response as it travels: errors first, so that people see them."""
        body: dict[str, Any] = {}
        if self.errors:
            body["errors"] = self.errors
        if self.refusal is None:
            body["data"] = self.data
        if self.extensions:
            body["extensions"] = self.extensions
        return body


def encoded(body: dict[str, Any]) -> bytes:
    """Return the JSON of a response's body."""
    return as_json(body)


@dataclass(slots=True)
class Prepared:
    """An operation that a request means, and what it says of it."""

    operation: Operation
    parameters: Parameters


@dataclass(slots=True)
class Ready:
    """An operation that is paid for and may run: once, or for each event."""

    operation: Operation
    variables: VariableValues
    bill: Bill
    given: dict[str, Any] | None  # the variables as they came

    def executor(self, ctx: RequestContext) -> Completing:
        """Return graphql-core's executor of the operation."""
        return self.operation.executor(ctx, self.given)

    async def answer(self, ctx: RequestContext) -> "Answer":
        """Run the operation once."""
        return await answered(ctx, self.operation, self.variables, lambda: self.executor(ctx))


async def prepare(ctx: RequestContext, persisted: Persisted, parameters: Parameters) -> Prepared | Answer:
    """Return the operation that the parameters mean, or the answer that refuses them."""
    document = persisted.at_once(parameters)
    if document is None:
        try:
            if not persisted.knows(parameters.query):
                ctx.resources.budgets.count_new_document(ctx.caller)
            document = await persisted.document(parameters)
        except (RequestError, Throttled) as error:
            return failed(error)
    if isinstance(document, Refusal):
        return refused(document)
    operation = document.operation(parameters.operation_name)
    if isinstance(operation, Refusal):
        return refused(operation)
    return Prepared(operation, parameters)


async def execute(ctx: RequestContext, documents: Documents, prepared: Prepared) -> Answer:
    """Run a query or a mutation to its end or to its deadline, the server's or the caller's. Never raises but when cancelled."""
    settings = ctx.settings
    longest_s = settings.mutation_timeout_s if prepared.operation.is_mutation else settings.query_timeout_s
    deadline_s = min(longest_s, ctx.wished_s)
    ready = await made_ready(ctx, documents, prepared)
    if isinstance(ready, Answer):
        return ready
    try:
        with ctx.resources.budgets.running(ready.bill.caller), Deadline(deadline_s):
            answer = await (stock_answer(ctx, ready) if settings.executor == "stock" else ready.answer(ctx))
    except TimeoutError:
        answer = failed(DeadlineExceeded(f"The operation took longer than {deadline_s:g} seconds and was stopped: ask for less."))
    except Overloaded as error:
        await settle(ctx, ready.bill, {}, has_errors=False)
        return failed(error)
    finally:
        ctx.end()
    return await settled(ctx, ready.bill, answer)


async def made_ready(ctx: RequestContext, documents: Documents, prepared: Prepared) -> Ready | Answer:
    """Return the operation with its variables and its cost, already paid; or the answer that stands in its place."""
    operation, given = prepared.operation, prepared.parameters.variables
    variables = operation.variables(given, hide_suggestions=documents.hides_suggestions)
    if isinstance(variables, Refusal):
        return refused(variables)
    try:
        bill = await admitted(ctx, operation, variables, given)
    except Throttled as error:
        return throttled(ctx, error)
    if isinstance(bill, Refusal):
        return refused(bill)
    if ctx.is_dry_run:
        left = ctx.resources.budgets.standing(bill.caller)
        return Answer(extensions={"cost": explained(bill, left, ctx.settings)}, executor="none")
    return Ready(operation, variables, bill, given)


def throttled(ctx: RequestContext, error: Throttled) -> Answer:
    """Return the answer to a caller whose budget is used up, with what it would have cost."""
    answer = failed(error)
    if ctx.charge:
        cost = shown_cost(ctx.charge, ctx.resources.budgets.standing(ctx.caller))
        answer.extensions["cost"] = answer.errors[0]["extensions"]["cost"] = cost
    return answer


async def settled(ctx: RequestContext, bill: Bill, answer: Answer) -> Answer:
    """Pay back what the answer did not cost, and show the cost where the caller wants to see it."""
    await settle(ctx, bill, answer.data, has_errors=bool(answer.errors))
    if ctx.wants_cost:
        answer.extensions["cost"] = shown_cost(bill.charge, ctx.resources.budgets.standing(bill.caller))
    return answer


async def answered(
    ctx: RequestContext, operation: Operation, variables: VariableValues, make_executor: Callable[[], Completing]
) -> Answer:
    """Run the operation by its plan on one connection; where there is none, or it meets an error, by graphql-core."""
    plan, tally = operation.plan(variables, make_executor), ctx.resources.metrics.operations
    if isinstance(plan, Uncovered):
        tally.add("reference", str(plan))
        return await completed(make_executor())
    run = Run(ctx, variables, make_executor)
    ctx.keep_connection()
    try:
        answer = Answer(await plan.run(run), executor="plan")
    except Exception:  # whatever it is, graphql-core meets it too and says it as the specification wants
        answer = None
    finally:
        await ctx.give_back_connection()
    if answer is not None:
        tally.add("plan", "")
        return answer
    executor = make_executor()
    if operation.is_mutation:  # it happens once, and is shown as it was then
        executor.root_value, executor.shown = run.outcomes, run.data
    answer = await completed(executor)
    answer.executor = "plan, completed by reference"
    tally.add("completed", "an error in the answer" if answer.errors else "none")
    if not answer.errors:  # then the plan was wrong, and only slow answers would show it
        log.warning("plan_gave_up_without_an_error", operation=operation.name)
    return answer


async def stock_answer(ctx: RequestContext, ready: Ready) -> Answer:
    """Run the operation by Strawberry itself, for comparison."""
    ctx.resources.metrics.operations.add("stock", "")
    result = await stock.executed(ctx, ready.operation, ready.given)
    return Answer(result.data, [presented(error) for error in result.errors or []], executor="stock")


async def completed(executor: Executor[Any]) -> Answer:
    """Execute and return the answer with its errors presented."""
    result = executor.execute_operation()
    if executor.is_awaitable(result):
        result = await result
    result = cast("ExecutionResult", result)
    return Answer(result.data, [presented(error) for error in result.errors or []])


def presented(error: GraphQLError) -> dict[str, Any]:
    """Return a field's error as a caller sees it: message, place, and code; what was not meant is masked."""
    original = error.original_error
    # graphql-core itself judged what the caller sent, such as an argument's value, and says where in the document it stands.
    if original is None or (isinstance(original, GraphQLError) and original.nodes):
        return located(error, Problem("BAD_USER_INPUT", shortened(error.message)))
    return located(error, problem_of(original))


def located(error: GraphQLError, problem: Problem) -> dict[str, Any]:
    """Return an error in the specification's form."""
    shown: dict[str, Any] = {"message": problem.message}
    if error.locations:
        shown["locations"] = [{"line": location.line, "column": location.column} for location in error.locations]
    if error.path:
        shown["path"] = error.path
    shown["extensions"] = {"code": problem.code, **problem.details}
    return shown


def refused(refusal: Refusal) -> Answer:
    """Return the answer to a request that is not executed."""
    problems = [Problem(refusal.code, shortened(error.message)) for error in refusal.errors]
    errors = [located(error, problem) for error, problem in zip(refusal.errors, problems, strict=True)]
    return Answer(errors=errors, refusal=problems[0], status=400)


def failed(error: BaseException) -> Answer:
    """Return the answer to a request that something outside its fields stopped."""
    problem = problem_of(error)
    shown = {"message": problem.message, "extensions": {"code": problem.code, **problem.details}}
    return Answer(errors=[shown], refusal=problem, status=problem.status, went_through=False)


def shortened(message: str) -> str:
    """Return a message that does not send a huge value back."""
    if "set_int_max_str_digits" in message:  # Python's own words about a number of thousands of digits
        return "The number has too many digits."
    return message if len(message) <= 300 else message[:300] + " …"
