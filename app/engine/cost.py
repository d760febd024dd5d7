"""What an operation costs: at most, before it runs (from the variables), and in fact (from the answer).

The formula, by the directives of IBM's cost specification and the habits of Shopify's and GitHub's servers:
- An object costs its type's weight (1 unless said otherwise), a scalar 0; a field's own weight, where given, replaces its type's.
- A list costs its size times one element and what is selected in it; an abstract type costs its dearest member.
- A connection's size multiplies what is below its sized fields (`edges`, `nodes`); it costs at least its size, for rows are read
  whatever is selected of them. A page of none still counts what is selected below it once: somebody has to look at it.
- Nodes are the sum over all lists of the product of the sizes on their path; fetches, over all lists, of that of their parents.
A formula is a list of steps, one for each distinct selection, children first: evaluating it takes as long as it has steps,
however often fragments spread each other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from graphql import GraphQLField, GraphQLNamedType

INTROSPECTION_WEIGHT = 100  # the usual introspection query takes about as long as a page of 100


@dataclass(frozen=True, slots=True)
class ListSize:
    """How long a list may be: as the longest of its slicing arguments says, else as assumed. `fields` are the lists inside the
    field's object that have this length; none: the field is the list."""

    assumed: int | None
    arguments: tuple[str, ...]
    fields: tuple[str, ...] = ()


class Prices(Protocol):
    """What the schema says of its types and fields."""

    def weight_of_type(self, type_: GraphQLNamedType) -> float:
        """Return what one object of the type costs."""

    def weight_of_field(self, definition: GraphQLField) -> float | None:
        """Return the field's own weight, None where it has none."""

    def size_of_field(self, definition: GraphQLField) -> ListSize | None:
        """Return how long the field's list may be, None where nothing is known."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A slicing argument of one field: what it is known to be, or the variable that says so."""

    name: str
    value: int | None  # None: absent, null, or not known before the variables
    variable: str | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """The length of a list at one place in an operation."""

    arguments: tuple[Argument, ...]
    assumed: int

    def evaluate(self, variables: Mapping[str, Any], largest: int) -> tuple[int, str]:
        """Return the length, and for a person where it comes from. What is out of range is brought into it: it gets an error
        of its own when the field runs, and shows nothing then."""
        chosen, source = None, f"default {self.assumed}"
        for argument in self.arguments:
            value = length_of(variables.get(argument.variable, argument.value)) if argument.variable else argument.value
            if value is not None and (chosen is None or value > chosen):
                chosen = value
                source = f"{argument.name}: {f'${argument.variable} = ' if argument.variable else ''}{value}"
        return min(max(self.assumed if chosen is None else chosen, 0), largest), source


def length_of(value: Any) -> int | None:
    """Return the length that an argument's value asks for: a number is one, a list has one, null says nothing."""
    if value is None or isinstance(value, int):
        return value
    return len(value) if isinstance(value, list | tuple) else 1


@dataclass(frozen=True, slots=True)
class Term:
    """One field of a selection. `own` is charged for the field, `each` for each object that it shows."""

    key: str
    own: float
    each: float
    children: tuple[int, ...]  # steps, one for each type that an object here may have; empty: no objects
    size: int | None = None  # of the list, as an index into the formula's sizes
    is_list: bool = False
    is_connection: bool = False  # the size is that of the lists inside
    is_counted: bool = False  # its elements are nodes and its list is fetched
    is_required: bool = False  # never null


@dataclass(slots=True)
class Step:
    """A distinct selection on one object type."""

    type_name: str
    terms: list[Term]
    own: float = 0  # of all its terms together
    below: list[Term] = field(default_factory=list)  # the terms with objects
    lists_of_rows: list[str] = field(default_factory=list)  # keys of the lists that have the connection's size
    fixed: float | None = None  # what each object costs in fact, where that is the same for all: nobody has to look inside

    def __post_init__(self) -> None:
        self.own = sum(term.own for term in self.terms)
        self.below = [term for term in self.terms if term.children]
        self.lists_of_rows = [term.key for term in self.below if term.size is not None and not term.is_counted]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an operation costs at most, with the sizes that its variables give its lists."""

    cost: float
    nodes: int
    fetches: int
    sizes: tuple[tuple[int, str], ...]  # each with where it comes from
    totals: tuple[float, ...]  # the cost of each step, for one object

    @property
    def points(self) -> int:
        """GitHub's points: a hundredth of the requests that fetch each list once for each parent, at least 1."""
        return max(1, round(self.fetches / 100))


@dataclass(slots=True)
class Formula:
    """An operation's cost, with the lengths of its lists still open."""

    steps: list[Step]
    sizes: list[Size]
    largest_size: int
    constant: Estimate | None = None  # where no variable has a say
    count: "Count | None" = None  # what an answer cost in fact, generated when it is first needed

    def __post_init__(self) -> None:
        for step in self.steps:
            inside = [self._fixed(term) if term.is_required and not term.is_list else None for term in step.below]
            if None not in inside:
                step.fixed = step.own + sum(cost or 0 for cost in inside)
        if not any(argument.variable for size in self.sizes for argument in size.arguments):
            self.constant = self.estimate({})

    def estimate(self, variables: Mapping[str, Any]) -> Estimate:
        """Return the cost for coerced variables."""
        if self.constant is not None:
            return self.constant
        sizes = tuple(size.evaluate(variables, self.largest_size) for size in self.sizes)
        totals: list[tuple[float, int, int]] = []
        for step in self.steps:
            cost, nodes, fetches = step.own, 0, 0
            for term in step.below:
                below = [totals[child] for child in term.children]
                cost_below, nodes_below, fetches_below = (max(part) for part in zip(*below, strict=True))
                size = 1 if term.size is None else sizes[term.size][0]
                cost += cost_of(term, size, cost_below)
                times = 1 if term.is_connection else size
                nodes += times * nodes_below + (size if term.is_counted else 0)
                fetches += times * fetches_below + term.is_counted
            totals.append((cost, nodes, fetches))
        cost, nodes, fetches = totals[-1]
        return Estimate(max(cost, 1), nodes, fetches, sizes, tuple(total[0] for total in totals))

    def _fixed(self, term: Term) -> float | None:
        """Return what one object costs in fact, None where they differ."""
        if len(term.children) != 1 or term.is_connection:
            return None
        inside = self.steps[term.children[0]].fixed
        return None if inside is None else term.each + inside

    def actual(self, estimate: Estimate, data: Mapping[str, Any]) -> float:
        """Return what the answer's data cost. Never more than the estimate."""
        if self.count is None:
            self.count = counting(self.steps)
        return max(1, self.count(data, estimate.sizes))


Count = Callable[[Mapping[str, Any], Sequence[tuple[int, str]]], float]  # of an object and the sizes of the estimate


def counting(steps: list[Step]) -> Count:
    """Return the function that counts what an object of the last step cost: generated, for it looks at every object shown.

    An expression is put together from numbers and quoted response keys only.
    """
    names: dict[str, Any] = {"__builtins__": {"len": len, "max": max, "sum": sum}}
    for index, step in enumerate(steps):
        parts = [repr(step.own), *(counted(steps, names, term) for term in step.below)]
        names[f"s{index}"] = eval(f"lambda v, z: {' + '.join(parts)}", names)  # noqa: S307
    count: Count = names[f"s{len(steps) - 1}"]
    return count


def counted(steps: list[Step], names: dict[str, Any], term: Term) -> str:
    """Return the expression of what one term with objects cost, of the object `v`."""
    value = f"v.get({term.key!r})"
    if term.is_connection:
        [child] = term.children
        lists = [f"len(x[{key!r}])" for key in steps[child].lists_of_rows]
        rows = ", ".join(lists) if lists else f"z[{term.size or 0}][0]"
        return f"(0 if (x := {value}) is None else {term.each!r} + max(s{child}(x, z), {rows}))"
    fixed = steps[term.children[0]].fixed if len(term.children) == 1 else None
    if fixed is not None:
        each = repr(term.each + fixed)
        if term.is_list:
            return f"(0 if (x := {value}) is None else (len(x) - x.count(None)) * {each})"
        return each if term.is_required else f"(0 if {value} is None else {each})"
    if len(term.children) == 1:
        one = f"s{term.children[0]}(e, z)"
    else:
        name = f"m{len(names)}"
        names[name] = dearest([(steps[child], names[f"s{child}"]) for child in term.children])
        one = f"{name}(e, z)"
    elements = f"({value} or ())" if term.is_list else f"({value},)"
    return f"sum([{term.each!r} + {one} for e in {elements} if e is not None])"


def dearest(members: list[tuple[Step, Count]]) -> Count:
    """Return the function that counts an object of an abstract type: as the dearest of the members that it may be, by the fields
    that it has."""

    def count(shown: Mapping[str, Any], sizes: Sequence[tuple[int, str]]) -> float:
        keys = shown.keys()
        fitting = [one for step, one in members if keys == {term.key for term in step.terms}]
        return max(one(shown, sizes) for one in fitting or [one for _, one in members])

    return count


def cost_of(term: Term, size: int, below: float) -> float:
    """Return what a term with objects costs, its own weight left out."""
    if term.is_connection:
        return term.each + max(below, size)
    whole = max(size, 1) * (term.each + below)
    return max(whole, size) if term.is_counted else whole
