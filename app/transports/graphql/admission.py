"""Whether an operation may run: its cost is known from its formula, held against the limits, and paid by its caller.

This stands between an operation that is ready and its execution, so that no way of asking goes around it.
"""

import math
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError
from graphql.execution.values import VariableValues

from app import services
from app.domain.budgets import Caller, Charge, Standing
from app.engine import Estimate, Formula, TooComplex, explain
from app.services.budgets import TOO_EXPENSIVE
from app.services.context import RequestContext
from app.settings import Settings
from app.transports.graphql.documents import Operation, Refusal

DRY_RUN_POINTS = 1


@dataclass(slots=True)
class Bill:
    """What an operation costs and who pays."""

    formula: Formula
    estimate: Estimate
    caller: Caller
    charge: Charge


async def admitted(
    ctx: RequestContext, operation: Operation, variables: VariableValues, given: dict[str, Any] | None
) -> Bill | Refusal:
    """Charge the caller; return the bill, or why the operation may not run. `ctx.charge` holds the charge from then on.

    Raises:
        Throttled: the caller has not enough points left.
    """
    limits = ctx.settings
    try:
        formula = operation.formula(variables, lambda: operation.executor(ctx, given), largest_size=largest_size(limits))
    except TooComplex:
        return Refusal(TOO_EXPENSIVE, [GraphQLError("The operation has too many different selections: split it into several.")])
    estimate = formula.estimate(variables.coerced)
    if not ctx.is_dry_run and (refusal := refusal_of(estimate, limits)):
        return refusal
    caller = ctx.caller
    charge = Charge(math.ceil(estimate.cost), estimate.nodes, operation.depth)
    await services.budgets.charge(ctx, caller, charge, DRY_RUN_POINTS if ctx.is_dry_run else charge.requested)
    return Bill(formula, estimate, caller, charge)


def largest_size(limits: Settings) -> int:
    """Return how long a list can be at most: whoever asks for more gets an error instead."""
    return max(limits.max_page_size, limits.max_node_ids)


def refusal_of(estimate: Estimate, limits: Settings) -> Refusal | None:
    """Return why an operation is too large to run, None where it is not."""
    reason = services.budgets.too_large(nodes=estimate.nodes, cost=math.ceil(estimate.cost), limits=limits)
    return Refusal(reason[0], [GraphQLError(reason[1])]) if reason else None


async def settle(ctx: RequestContext, bill: Bill, data: dict[str, Any] | None, *, has_errors: bool) -> None:
    """Give back what the operation did not need. One that failed in part may have done all its work, and pays for it."""
    charge = bill.charge
    if data is None or has_errors:
        charge.actual = charge.requested
        return
    await services.budgets.settle(ctx, bill.caller, charge, math.ceil(bill.formula.actual(bill.estimate, data)))


def shown_cost(charge: Charge, left: Standing) -> dict[str, Any]:
    """Return a charge as `extensions.cost` shows it, in Shopify's shape with more; `left` is what its payer has left."""
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


def explained(bill: Bill, left: Standing, limits: Settings) -> dict[str, Any]:
    """Return the cost of an operation that is not run, field by field; `refusal` is the code it would be refused with."""
    refusal = refusal_of(bill.estimate, limits)
    return {
        **shown_cost(bill.charge, left),
        "githubPoints": bill.estimate.points,
        "refusal": refusal.code if refusal else None,
        "explanation": explain(bill.formula, bill.estimate),
    }
