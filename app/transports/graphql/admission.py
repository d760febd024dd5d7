"""Whether an operation may run: its cost is known from its formula, held against the limits, and paid by its caller.

This stands between an operation that is ready and its execution, so that no way of asking goes around it.
"""

import math
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError
from graphql.execution.executor import Executor

from app.domain.budgets import Caller, Charge
from app.domain.errors import Throttled
from app.engine import Estimate, Formula, TooComplex, explain
from app.services.context import RequestContext
from app.settings import Settings
from app.transports.graphql.documents import Document, Refusal

TOO_EXPENSIVE = "COST_ESTIMATED_TOO_EXPENSIVE"
DRY_RUN_POINTS = 1


@dataclass(frozen=True, slots=True)
class Bill:
    """What an operation costs and who pays."""

    formula: Formula
    estimate: Estimate
    caller: Caller
    charge: Charge


async def admitted(ctx: RequestContext, document: Document, executor: Executor[Any]) -> Bill | Refusal:
    """Charge the caller; return the bill, or why the operation may not run. `ctx.charge` holds the charge from then on.

    Raises:
        Throttled: the caller has not enough points left.
    """
    try:
        formula = document.formula(executor, largest_size=largest_size(ctx.settings))
    except TooComplex:
        return Refusal(TOO_EXPENSIVE, [GraphQLError("The operation has too many different selections: split it into several.")])
    estimate = formula.estimate(executor.variable_values.coerced)
    if not ctx.is_dry_run and (refusal := refusal_of(estimate, ctx.settings)):
        return refusal
    caller, budgets = ctx.caller, ctx.resources.budgets
    charge = Charge(math.ceil(estimate.cost), estimate.nodes, document.depth, budgets.standing(caller))
    ctx.charge = charge
    try:
        charge.standing = await budgets.pay(caller, DRY_RUN_POINTS if ctx.is_dry_run else charge.requested)
    except Throttled:
        charge.actual, charge.standing = 0, budgets.standing(caller)
        raise
    return Bill(formula, estimate, caller, charge)


def largest_size(limits: Settings) -> int:
    """Return how long a list can be at most: whoever asks for more gets an error instead."""
    return max(limits.max_page_size, limits.max_node_ids)


def refusal_of(estimate: Estimate, limits: Settings) -> Refusal | None:
    """Return why an operation is too large to run, None where it is not."""
    if estimate.nodes > limits.max_nodes:
        rows = shown_number(estimate.nodes)
        problem = f"The operation asks for up to {rows} rows, more than {limits.max_nodes:,}: ask for smaller pages."
        return Refusal("NODE_LIMIT", [GraphQLError(problem)])
    if estimate.cost > limits.max_cost:
        cost = shown_number(math.ceil(estimate.cost))
        problem = f"The operation may cost {cost} points, more than {limits.max_cost:,}: ask for less or in several operations."
        return Refusal(TOO_EXPENSIVE, [GraphQLError(problem)])
    return None


def shown_number(number: int) -> str:
    """Return a number as a person reads it."""
    return f"{number:,}" if number < 10**15 else "more than 10^15"


async def settle(ctx: RequestContext, bill: Bill, data: dict[str, Any] | None, *, has_errors: bool) -> None:
    """Give back what the operation did not need. One that failed in part may have done all its work, and pays for it."""
    charge = bill.charge
    if data is None or has_errors:
        charge.actual = charge.requested
        return
    charge.actual = min(charge.requested, math.ceil(bill.formula.actual(bill.estimate, data)))
    if charge.actual < charge.requested:
        charge.standing = await ctx.resources.budgets.refund(bill.caller, charge.requested - charge.actual)


def shown_cost(charge: Charge) -> dict[str, Any]:
    """Return a charge as `extensions.cost` shows it, in Shopify's shape with more."""
    left = charge.standing
    return {
        "requestedQueryCost": charge.requested,
        "actualQueryCost": charge.actual,
        "nodeCount": charge.nodes,
        "depth": charge.depth,
        "throttleStatus": {
            "maximumAvailable": left.budget.points,
            "currentlyAvailable": left.remaining,
            "restoreRate": left.budget.points_per_s,
        },
    }


def explained(bill: Bill, limits: Settings) -> dict[str, Any]:
    """Return the cost of an operation that is not run, field by field; `refusal` is the code it would be refused with."""
    refusal = refusal_of(bill.estimate, limits)
    return {
        **shown_cost(bill.charge),
        "githubPoints": bill.estimate.points,
        "refusal": refusal.code if refusal else None,
        "explanation": explain(bill.formula, bill.estimate),
    }
