"""The cost formula: published examples, the rules one by one, and documents made to be slow."""

from typing import Any

import pytest
from graphql import build_schema, get_argument_values, parse, validate
from graphql.execution.executor import Executor

from app.engine import Costing, Formula, ListSize, TooComplex, explain

DIRECTIVES = """
directive @cost(weight: String!) on FIELD_DEFINITION | OBJECT
directive @listSize(
  assumedSize: Int, slicingArguments: [String!], sizedFields: [String!], requireOneSlicingArgument: Boolean = true
) on FIELD_DEFINITION
"""

GITHUB = """
type Query { viewer: User }
type User {
  login: String
  repositories(first: Int, last: Int): Repositories
    @listSize(slicingArguments: ["first", "last"], sizedFields: ["edges", "nodes"])
  followers(first: Int): Followers @listSize(slicingArguments: ["first"], sizedFields: ["edges", "nodes"])
}
type Repositories @cost(weight: "0") { edges: [RepositoryEdge] nodes: [Repository] totalCount: Int }
type RepositoryEdge @cost(weight: "0") { node: Repository cursor: String }
type Repository {
  name: String
  pullRequests(first: Int): Items @listSize(slicingArguments: ["first"], sizedFields: ["edges", "nodes"])
  issues(first: Int): Items @listSize(slicingArguments: ["first"], sizedFields: ["edges", "nodes"])
}
type Items @cost(weight: "0") { edges: [ItemEdge] nodes: [Item] totalCount: Int }
type ItemEdge @cost(weight: "0") { node: Item }
type Item {
  title: String
  comments(first: Int): Items @listSize(slicingArguments: ["first"], sizedFields: ["edges", "nodes"])
  labels(first: Int): Items @listSize(slicingArguments: ["first"], sizedFields: ["edges", "nodes"])
}
type Followers @cost(weight: "0") { edges: [FollowerEdge] nodes: [User] }
type FollowerEdge @cost(weight: "0") { node: User }
"""

# IBM's draft counts a list's own field once and its elements by their fields alone; that reading is written out here as weights.
IBM = """
type User @cost(weight: "0") { name: String age: Int @cost(weight: "2.0") }
type Query { users(max: Int): [User] @listSize(slicingArguments: ["max"]) @cost(weight: "1.0") }
"""

SHOP = """
type Query {
  thing: Thing
  things(first: Int = 3): [Thing!]! @listSize(assumedSize: 3, slicingArguments: ["first"])
  page(first: Int, last: Int): Page! @listSize(assumedSize: 20, slicingArguments: ["first", "last"], sizedFields: ["nodes"])
  any: Any
  byIds(ids: [ID!]!): [Any]! @listSize(slicingArguments: ["ids"])
  unknown: [Thing]
  words: [String!]!
  orders(first: Int): [Order!] @listSize(assumedSize: 2, slicingArguments: ["first"])
}
type Order { id: ID! buyer: Person! gift: Thing }
type Mutation { buy: Receipt! @cost(weight: "10") count: Int @cost(weight: "10") }
type Receipt { thing: Thing }
type Page @cost(weight: "0") { nodes: [Thing!]! total: Int }
interface Any { id: ID! }
type Thing implements Any {
  id: ID! name: String other: Thing
  parts(first: Int): [Thing!]! @listSize(assumedSize: 5, slicingArguments: ["first"])
}
type Person implements Any { id: ID! friend: Person things: [Thing!]! @listSize(assumedSize: 4) }
"""


class Prices:
    """What the directives in a schema's text say."""

    def weight_of_type(self, type_):
        weight = self.argument(type_, "cost", "weight")
        return float(weight) if weight is not None else (1.0 if hasattr(type_, "fields") else 0.0)

    def weight_of_field(self, definition):
        weight = self.argument(definition, "cost", "weight")
        return None if weight is None else float(weight)

    def size_of_field(self, definition):
        values = self.values(definition, "listSize")
        if values is None:
            return None
        return ListSize(
            values.get("assumedSize"), tuple(values.get("slicingArguments", ())), tuple(values.get("sizedFields", ()))
        )

    def argument(self, part, directive, name):
        return (self.values(part, directive) or {}).get(name)

    def values(self, part, directive):
        nodes = (part.ast_node.directives if part.ast_node else None) or ()
        node = next((node for node in nodes if node.name.value == directive), None)
        return get_argument_values(DEFINITIONS[directive], node) if node else None


DEFINITIONS = {directive.name: directive for directive in build_schema(DIRECTIVES + "type Query { a: Int }").directives}


def compiled(schema_text: str, query: str, variables=None, *, largest: int = 100) -> tuple[Formula, dict[str, Any]]:
    """Return the formula of a valid operation and its coerced variables."""
    schema = build_schema(DIRECTIVES + schema_text)
    document = parse(query)
    assert validate(schema, document) == []
    executor = Executor.build(schema, document, raw_variable_values=variables or {})
    assert isinstance(executor, Executor), executor
    costing = Costing(schema, Prices(), executor.fragments, executor.operation, executor.variable_values, largest)
    return costing.formula(), executor.variable_values.coerced


def estimated(schema_text: str, query: str, variables=None, **options):
    """Return the estimate of an operation."""
    formula, coerced = compiled(schema_text, query, variables, **options)
    return formula.estimate(coerced)


def test_github_simple_example_has_550_nodes():
    query = """{ viewer { repositories(first: 50) { edges { repository: node { name
        issues(first: 10) { totalCount edges { node { title } } } } } } } }"""
    assert estimated(GITHUB, query).nodes == 550


def test_github_complex_example_has_22060_nodes():
    query = """{ viewer {
      repositories(first: 50) { edges { repository: node { name
        pullRequests(first: 20) { edges { pullRequest: node { title comments(first: 10) { edges { c: node { title } } } } } }
        issues(first: 20) { totalCount edges { issue: node { title comments(first: 10) { edges { comment: node { title } } } } } }
      } } }
      followers(first: 10) { edges { follower: node { login } } } } }"""
    assert estimated(GITHUB, query).nodes == 22_060


def test_github_example_of_5101_requests_costs_51_points():
    query = """{ viewer { login repositories(first: 100) { edges { node { issues(first: 50) { edges { node {
        labels(first: 60) { edges { node { title } } } } } } } } } } }"""
    estimate = estimated(GITHUB, query)
    assert (estimate.fetches, estimate.points) == (5_101, 51)


def test_ibm_example_costs_11_before_and_7_after():
    formula, variables = compiled(IBM, "query Example { users(max: 5) { age } }")
    estimate = formula.estimate(variables)
    assert estimate.cost == 11.0
    assert formula.actual(estimate, {"users": [{"age": 30}] * 3}) == 7.0


@pytest.mark.parametrize(
    ("query", "cost", "nodes"),
    [
        ("{ words }", 1, 0),  # nothing is free
        ("{ thing { id name } }", 1, 0),
        ("{ thing { other { other { id } } } }", 3, 0),
        ("{ things { id } }", 3, 3),
        ("{ things(first: 7) { id } }", 7, 7),
        ("{ things(first: null) { id } }", 3, 3),
        ("{ things(first: 0) { id other { id } } }", 2, 0),  # a page of none counts once, but has no rows
        ("{ things(first: -5) { id } }", 1, 0),
        ("{ things(first: 2000000000) { id } }", 100, 100),
        ("{ things(first: 10) { parts(first: 10) { parts(first: 10) { id } } } }", 10 + 100 + 1_000, 10 + 100 + 1_000),
        ("{ page { nodes { id } } }", 20, 20),
        ("{ page { total } }", 20, 20),  # the rows are read all the same
        ("{ page(last: 5) { nodes { id other { id } } } }", 10, 5),
        ("{ page(first: 2, last: 5) { a: nodes { id } b: nodes { id } } }", 10, 5),
        ("{ unknown { id } }", 100, 100),
        ("{ byIds(ids: [1, 2, 3]) { id } }", 3, 3),
        ("{ byIds(ids: 1) { id } }", 1, 1),
        ("{ any { id ... on Person { friend { id } things { id } } ... on Thing { other { id } } } }", 1 + 5, 4),  # the dearest
        ("mutation { buy { thing { id } } }", 11, 0),
        ("mutation { a: buy { thing { id } } count }", 21, 0),
        ("{ __schema { types { name } } }", 100, 0),
        ("{ __typename }", 1, 0),
    ],
)
def test_cost_and_nodes(query: str, cost: int, nodes: int):
    estimate = estimated(SHOP, query)
    assert (estimate.cost, estimate.nodes) == (cost, nodes)


@pytest.mark.parametrize(
    ("variables", "cost"),
    [({}, 3), ({"n": 7}, 7), ({"n": None}, 3), ({"n": 0}, 1), ({"n": -1}, 1), ({"n": 2_000_000_000}, 100)],
)
def test_variables_give_sizes(variables: dict[str, Any], cost: int):
    assert estimated(SHOP, "query($n: Int) { things(first: $n) { id } }", variables).cost == cost


def test_a_variables_default_counts():
    assert estimated(SHOP, "query($n: Int = 9) { things(first: $n) { id } }").cost == 9
    assert estimated(SHOP, "query($n: Int = 9) { things(first: $n) { id } }", {"n": 2}).cost == 2


def test_a_variable_list_counts_by_its_length():
    query = "query($ids: [ID!]!) { byIds(ids: $ids) { id } }"
    assert estimated(SHOP, query, {"ids": ["1"] * 8}).nodes == 8
    assert estimated(SHOP, query, {"ids": "1"}).nodes == 1
    assert estimated(SHOP, "query($id: ID!) { byIds(ids: [$id, $id]) { id } }", {"id": "1"}).nodes == 2


def test_one_formula_serves_all_values_of_its_variables():
    formula, _ = compiled(SHOP, "query($n: Int, $m: Int) { things(first: $n) { parts(first: $m) { id } } }")
    assert [formula.estimate(values).cost for values in ({}, {"n": 10}, {"n": 2, "m": 4}, {"n": None, "m": 1})] == [18, 60, 10, 6]


def test_what_is_selected_twice_is_counted_once():
    query = "{ thing { other { id } } ...a ...a thing { other { name } } } fragment a on Query { thing { other { name id } } }"
    assert estimated(SHOP, query).cost == 2


def test_aliases_are_counted_each():
    assert estimated(SHOP, "{ a: things { id } b: things { id } c: things(first: 1) { id } }").cost == 7


@pytest.mark.parametrize(("flag", "cost"), [(True, 4), (False, 1)])
def test_flags_are_decided_by_their_values(flag: bool, cost: int):
    query = "query($f: Boolean!) { thing { id } things @include(if: $f) { id } }"
    assert estimated(SHOP, query, {"f": flag}).cost == cost
    query = "query($f: Boolean!) { thing { id } ...a @skip(if: $f) } fragment a on Query { things { id } }"
    assert estimated(SHOP, query, {"f": not flag}).cost == cost


def test_a_fragment_costs_by_the_place_where_it_is_spread():
    query = """{ small: page(first: 1) { ...rows } large: page(first: 50) { ...rows } }
        fragment rows on Page { nodes { other { id } } }"""
    assert estimated(SHOP, query).cost == 2 + 100


@pytest.mark.parametrize("levels", [24, 100])
def test_doubling_fragments_are_costed_in_milliseconds(levels: int):
    spreads = " ".join(f"fragment f{i} on Thing {{ ...f{i + 1} ...f{i + 1} }}" for i in range(levels))
    query = f"{{ thing {{ ...f0 }} }} {spreads} fragment f{levels} on Thing {{ parts {{ id }} }}"
    assert estimated(SHOP, query).cost == 6


def test_fragments_that_double_their_fields_are_costed_in_as_many_steps_as_they_have_fields():
    levels = 40
    spreads = " ".join(
        f"fragment f{i} on Thing {{ a{i}: other {{ ...f{i + 1} }} b{i}: other {{ ...f{i + 1} }} }}" for i in range(levels)
    )
    query = f"{{ thing {{ ...f0 }} }} {spreads} fragment f{levels} on Thing {{ id }}"
    formula, variables = compiled(SHOP, query)
    assert formula.estimate(variables).cost == 2 ** (levels + 1) - 1
    assert len(formula.steps) == levels + 2


def test_sizes_beyond_all_numbers_still_add_up():
    query = "{ things(first: 100) " + "{ parts(first: 100) " * 60 + "{ id }" + " }" * 61
    assert estimated(SHOP, query).nodes == sum(100**level for level in range(1, 62))


def test_too_many_distinct_selections_are_refused():
    levels = 13

    def fragment(level: int, side: int) -> str:
        if level == levels:
            return f"fragment f{level}x{side} on Thing {{ id }}"
        left = f"...f{level + 1}x{side + 1 if side else 0}"
        right = left if side else f"{left} ...f{level + 1}x1"
        return f"fragment f{level}x{side} on Thing {{ l: other {{ {left} }} r: other {{ {right} }} }}"

    # Which fragments meet at the end of a path tells every turn that the path took: each of 2^13 paths has its own selection.
    fragments = [fragment(level, side) for level in range(levels + 1) for side in range(level + 1)]
    with pytest.raises(TooComplex):
        estimated(SHOP, "{ thing { ...f0x0 } } " + " ".join(fragments))


def test_the_actual_cost_counts_what_is_there():
    formula, variables = compiled(SHOP, "{ things(first: 10) { id other { id } parts { id } } page { nodes { id } } }")
    estimate = formula.estimate(variables)
    thing = {"id": "1", "other": {"id": "2"}, "parts": [{"id": "3"}, {"id": "4"}]}
    data = {"things": [thing, thing | {"other": None, "parts": []}], "page": {"nodes": [{"id": "5"}]}}
    assert formula.actual(estimate, data) == (1 + 1 + 2) + 1 + 1
    assert formula.actual(estimate, {"things": [], "page": {"nodes": []}}) == 1
    assert estimate.cost == 10 * (1 + 1 + 5) + 20


def test_what_is_always_there_is_counted_and_what_may_be_missing_is_looked_for():
    formula, variables = compiled(SHOP, "{ orders(first: 9) { id buyer { id } } other: orders { buyer { id } gift { id } } }")
    order = {"id": "1", "buyer": {"id": "2"}}
    assert formula.actual(formula.estimate(variables), {"orders": [order] * 3, "other": None}) == 6
    assert (
        formula.actual(formula.estimate(variables), {"orders": None, "other": [order | {"gift": None}, order | {"gift": {}}]})
        == 5
    )


def test_a_page_without_its_rows_shown_has_cost_them_all_the_same():
    formula, variables = compiled(SHOP, "{ page(first: 30) { total } }")
    assert formula.actual(formula.estimate(variables), {"page": {"total": 2}}) == 30


def test_an_abstract_value_is_counted_by_its_own_type():
    formula, variables = compiled(
        SHOP, "{ byIds(ids: [1, 2]) { id ... on Person { things { id } } ... on Thing { other { id } } } }"
    )
    person, thing = {"id": "1", "things": [{"id": "7"}] * 3}, {"id": "2", "other": {"id": "3"}}
    assert formula.actual(formula.estimate(variables), {"byIds": [person, thing]}) == 4 + 2
    assert formula.actual(formula.estimate(variables), {"byIds": [None, thing]}) == 2


@pytest.mark.parametrize(
    "query",
    [
        "{ things(first: 10) { id other { id } parts { id } } page { nodes { id other { id } } total } }",
        "{ page(first: 9) { total } things(first: 0) { other { id } } }",
        "{ any { id ... on Person { things { id } } } thing { parts { parts(first: 2) { other { id } } } } }",
        "mutation { buy { thing { id } } count }",
    ],
)
def test_the_explanation_adds_up_to_the_cost(query: str):
    formula, variables = compiled(SHOP, query)
    estimate = formula.estimate(variables)
    assert sum(line["weight"] * line["multiplier"] for line in explain(formula, estimate)) == estimate.cost


def test_the_explanation_says_where_a_multiplier_comes_from():
    formula, variables = compiled(SHOP, "query($n: Int) { things(first: $n) { parts { id } } }", {"n": 4})
    assert explain(formula, formula.estimate(variables)) == [
        {"path": "things", "weight": 1, "multiplier": 4, "from": "things (first: $n = 4)"},
        {
            "path": "things.parts",
            "weight": 1,
            "multiplier": 20,
            "from": "things (first: $n = 4) x things.parts (default 5)",
        },
    ]


def test_the_explanation_of_a_bomb_is_short():
    levels = 30
    spreads = " ".join(
        f"fragment f{i} on Thing {{ a: other {{ ...f{i + 1} }} b: other {{ ...f{i + 1} }} }}" for i in range(levels)
    )
    formula, variables = compiled(SHOP, f"{{ thing {{ ...f0 }} }} {spreads} fragment f{levels} on Thing {{ id }}")
    assert len(explain(formula, formula.estimate(variables))) == 200
