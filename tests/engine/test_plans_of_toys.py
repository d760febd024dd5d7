"""The engine by itself: what a plan shows, what it fetches, when it gives up, and what it does not cover."""

import itertools
from types import SimpleNamespace

import pytest
from graphql import GraphQLError

from app.engine import Anomaly, Uncovered
from tests.engine.toy import Context, compiled, run_of, shown


def thing(kind, **fields):
    """Return a value of a type."""
    return SimpleNamespace(kind=kind, **fields)


SHELF = thing("Shelf", id=1, name="top", note=None, colour="red", width=1.5)
KEY = thing("Key", name="k", opens=None)
BOX = thing("Box", id=11, name="a", shelf_id=1, inner_id=12)


@pytest.mark.parametrize(
    ("query", "data"),
    [
        (
            '{ shelf(id: "1") { id name note colour width } }',
            '{"shelf":{"id":"1","name":"top","note":null,"colour":"RED","width":1.5}}',
        ),
        (
            "{ b: shelf(id: 2) { y: name x: name id } a: shelf(id: 1) { note } }",
            '{"b":{"y":"low","x":"low","id":"2"},"a":{"note":null}}',
        ),
        ("{ shelf(id: 7) { id } __typename }", '{"shelf":null,"__typename":"Query"}'),
        ("{ shelf(id: 1) { id } shelf(id: 1) { name id } }", '{"shelf":{"id":"1","name":"top"}}'),
        (
            "{ shelf(id: 1) { ...F name ... on Named { name ... on Shelf { id } } ... { note } } }"
            "fragment F on Shelf { k: __typename }",
            '{"shelf":{"k":"Shelf","name":"top","id":"1","note":null}}',
        ),
        ("{ shelf(id: 1) { ... on Named { ... on Box { id } } } }", '{"shelf":{}}'),
        (
            "{ shelf(id: 1) { boxes { name inner { name inner { id } } } name } }",
            '{"shelf":{"boxes":[{"name":"a","inner":{"name":"b","inner":null}},{"name":"b","inner":null}],"name":"top"}}',
        ),
        ("{ shelf(id: 3) { boxes { name inner { id } } } }", '{"shelf":{"boxes":[]}}'),
        ("{ shelf(id: 1) { weight hint } }", '{"shelf":{"weight":10,"hint":"10"}}'),
        ("{ shelf(id: 3) { hint } }", '{"shelf":{"hint":null}}'),
    ],
)
async def test_objects_are_shown_with_their_keys_in_order(query, data):
    assert await shown(query) == data


PAGES = "{ shelf(id: 1) { pages(first: 1) { %s } } }"


@pytest.mark.parametrize(
    ("selection", "data"),
    [
        ("edges { cursor }", '{"edges":[{"cursor":"c11"}]}'),
        ("nodes { id }", '{"nodes":[{"id":"11"}]}'),
        ("pageInfo { hasNextPage }", '{"pageInfo":{"hasNextPage":true}}'),
        ("__typename", '{"__typename":"BoxPages"}'),
        (
            "edges { __typename node { name } c: cursor cursor }",
            '{"edges":[{"__typename":"BoxEdge","node":{"name":"a"},"c":"c11","cursor":"c11"}]}',
        ),
        (
            "nodes { id } edges { node { name inner { id } } m: node { id } } n: nodes { shelf { id } }",
            '{"nodes":[{"id":"11"}],"edges":[{"node":{"name":"a","inner":{"id":"12"}},"m":{"id":"11"}}],"n":[{"shelf":{"id":"1"}}]}',
        ),
        ("e: edges { node { id } } f: edges { node { name } }", '{"e":[{"node":{"id":"11"}}],"f":[{"node":{"name":"a"}}]}'),
        (
            "p: pageInfo { s: startCursor } pageInfo { endCursor __typename hasPreviousPage }",
            '{"p":{"s":"c11"},"pageInfo":{"endCursor":"c11","__typename":"PageInfo","hasPreviousPage":false}}',
        ),
        ("edges { node { id } } edges { cursor node { name } }", '{"edges":[{"node":{"id":"11","name":"a"},"cursor":"c11"}]}'),
        ("cursor: nodes { id } edges { cursor }", '{"cursor":[{"id":"11"}],"edges":[{"cursor":"c11"}]}'),
        ("__typename: nodes { id } edges { __typename }", '{"__typename":[{"id":"11"}],"edges":[{"__typename":"BoxEdge"}]}'),
        ("nodes { ... on Named { ... on Key { name } } }", '{"nodes":[{}]}'),
    ],
)
async def test_connections_are_shown_in_every_form(selection, data):
    assert await shown(PAGES % selection) == f'{{"shelf":{{"pages":{data}}}}}'


async def test_an_empty_page_has_no_cursors():
    query = (
        "{ shelf(id: 3) { pages { edges { cursor node { id } } nodes { id } pageInfo { startCursor endCursor hasNextPage } } } }"
    )
    empty = '{"edges":[],"nodes":[],"pageInfo":{"startCursor":null,"endCursor":null,"hasNextPage":false}}'
    assert await shown(query) == f'{{"shelf":{{"pages":{empty}}}}}'


async def test_flags_of_every_combination_have_their_own_plan():
    query = """query($a: Boolean!, $b: Boolean!) { shelf(id: 1) { id @skip(if: $a) name @include(if: $b) note @skip(if: true)
      ...F @include(if: $a) ... @skip(if: $b) { width } colour @include(if: true) @skip(if: $b) } }
      fragment F on Shelf { k: id }"""
    texts = {}
    for a, b in itertools.product([True, False], repeat=2):
        texts[a, b] = await shown(query, {"a": a, "b": b})
    assert texts == {
        (True, True): '{"shelf":{"name":"top","k":"1"}}',
        (True, False): '{"shelf":{"k":"1","width":1.5,"colour":"RED"}}',
        (False, True): '{"shelf":{"id":"1","name":"top"}}',
        (False, False): '{"shelf":{"id":"1","width":1.5,"colour":"RED"}}',
    }


async def test_one_fetch_serves_a_relation_and_a_level_with_distinct_keys_in_order():
    ctx = Context(root={"shelves": lambda **_: [thing("Shelf", id=id_, name="") for id_ in (2, 1, 2, 3)]})
    query = "{ shelves { boxes { inner { name } shelf { weight } } } }"
    data = await shown(query, ctx=ctx)
    assert ctx.calls == [
        ("boxes", [2, 1, 3], ("inner_id", "shelf_id"), {"first": 2}),
        ("box", [12], ("name",), None),
        ("shelf", [2, 1], ("id",), None),
        ("weight", [2, 1], None, None),
    ]
    one, two = (
        '{"inner":{"name":"b"},"shelf":{"weight":20}}',
        '{"inner":{"name":"b"},"shelf":{"weight":10}},{"inner":null,"shelf":{"weight":10}}',
    )
    assert data == f'{{"shelves":[{{"boxes":[{one}]}},{{"boxes":[{two}]}},{{"boxes":[{one}]}},{{"boxes":[]}}]}}'


async def test_nothing_is_fetched_for_nobody():
    ctx = Context()
    assert await shown("{ shelf(id: 3) { boxes { inner { id } shelf { weight } } } }", ctx=ctx) == '{"shelf":{"boxes":[]}}'
    assert [call[0] for call in ctx.calls] == ["shelf", "boxes"]
    ctx = Context()
    assert (
        await shown("{ shelf(id: 2) { boxes { inner { inner { id } } } } }", ctx=ctx)
        == '{"shelf":{"boxes":[{"inner":{"inner":null}}]}}'
    )
    assert [(call[0], call[1]) for call in ctx.calls] == [("shelf", ["2"]), ("boxes", [2]), ("box", [12])]


async def test_a_joined_object_comes_with_its_parents_rows():
    ctx = Context()
    query = "{ shelf(id: 1) { boxes(first: 1) { name s: shelf { name __typename } t: shelf { colour name id } } } }"
    joined = '{"name":"a","s":{"name":"top","__typename":"Shelf"},"t":{"colour":"RED","name":"top","id":"1"}}'
    assert await shown(query, ctx=ctx) == f'{{"shelf":{{"boxes":[{joined}]}}}}'
    assert [call[2] for call in ctx.calls] == [("id",), ("name", "shelf.name", "shelf.colour", "shelf.id")]


async def test_an_object_with_children_is_fetched_rather_than_joined():
    ctx = Context()
    query = "{ shelf(id: 1) { boxes(first: 1) { a: shelf { name note weight } b: shelf { name } } } }"
    both = '{"a":{"name":"top","note":null,"weight":10},"b":{"name":"top"}}'
    assert await shown(query, ctx=ctx) == f'{{"shelf":{{"boxes":[{both}]}}}}'
    assert [(call[0], call[2]) for call in ctx.calls] == [
        ("shelf", ("id",)),
        ("boxes", ("shelf_id", "shelf.name")),
        ("shelf", ("name", "note", "id")),
        ("weight", None),
    ]


def test_compiling_grows_with_the_text_however_deep_it_nests():
    query = "name"
    for _ in range(40):  # twice the work at each level would never end
        query = f"boxes {{ shelf {{ {query} }} }}"
    assert len(compiled(f"{{ shelf(id: 1) {{ {query} }} }}").explain()) > 80


SUM = {"sum": lambda a, b=None, of=None, box=None: a + (b or 0) + sum(of or []) + (box["a"] + sum(box["b"]) if box else 0)}


@pytest.mark.parametrize(
    ("query", "variables", "value"),
    [
        ("{ sum }", {}, 6),
        ("{ sum(a: 5, of: 1) }", {}, 8),
        ("{ sum(b: null, of: []) }", {}, 1),
        ("query($b: Int) { sum(b: $b) }", {"b": 7}, 11),
        ("query($b: Int) { sum(b: $b) }", {}, 6),
        ("query($b: Int) { sum(b: $b) }", {"b": None}, 4),
        ("query($b: Int = 9) { sum(b: $b) }", {}, 13),
        ("query($n: Int!) { sum(of: [$n, 1, $n]) }", {"n": 2}, 8),
        ("query($n: Int!) { sum(box: {b: [$n]}) }", {"n": 2}, 13),
        ("query($box: In) { sum(box: $box) }", {"box": {"a": 1, "b": 4}}, 11),
    ],
)
async def test_arguments_come_from_literals_variables_and_defaults(query, variables, value):
    assert await shown(query, variables, Context(root=SUM)) == f'{{"sum":{value}}}'


async def test_one_plan_serves_other_values_of_its_variables():
    query = "query($id: ID!, $n: Int) { shelf(id: $id) { boxes(first: $n) { id } } }"
    plan, answers = compiled(query, {"id": "1"}), []
    for variables in ({"id": "1", "n": 1}, {"id": "1"}, {"id": "2", "n": 5}, {"id": "9"}):
        answers.append(await plan.run(run_of(query, variables, Context())))
    assert answers == [
        {"shelf": {"boxes": [{"id": "11"}]}},
        {"shelf": {"boxes": [{"id": "11"}, {"id": "12"}]}},
        {"shelf": {"boxes": [{"id": "21"}]}},
        {"shelf": None},
    ]


@pytest.mark.parametrize(
    ("root", "query", "data"),
    [
        (
            {"named": [BOX, None, SHELF, KEY, BOX]},
            "{ named { name __typename ... on Box { id inner { id } } ...F } } fragment F on Shelf { colour weight }",
            '{"named":[{"name":"a","__typename":"Box","id":"11","inner":{"id":"12"}},null,'
            '{"name":"top","__typename":"Shelf","colour":"RED","weight":10},{"name":"k","__typename":"Key"},'
            '{"name":"a","__typename":"Box","id":"11","inner":{"id":"12"}}]}',
        ),
        ({"named": []}, "{ named { name } }", '{"named":[]}'),
        ({"named": None}, "{ named { name } }", '{"named":null}'),
        (
            {"things": [KEY, BOX]},
            "{ things { ... on Box { id } ... on Named { name } } }",
            '{"things":[{"name":"k"},{"id":"11","name":"a"}]}',
        ),
        (
            {"shelves": lambda **_: [None, SHELF, None]},
            "{ shelves { id boxes(first: 0) { id } } }",
            '{"shelves":[null,{"id":"1","boxes":[]},null]}',
        ),
    ],
)
async def test_abstract_types_and_lists_keep_their_order(root, query, data):
    assert await shown(query, ctx=Context(root=root)) == data


LINE = thing("Line", text="t")


@pytest.mark.parametrize(
    ("cells", "strict", "data"),
    [
        ([[LINE, None], None, [], [LINE]], None, '{"cells":[[{"text":"t"},null],null,[],[{"text":"t"}]],"strict":null}'),
        ([], [[LINE, LINE], []], '{"cells":[],"strict":[[{"text":"t"},{"text":"t"}],[]]}'),
    ],
)
async def test_lists_of_lists_hold_nulls_where_they_may(cells, strict, data):
    ctx = Context(root={"grid": thing("Grid", cells=cells, strict=strict)})
    assert await shown("{ grid { cells { text } strict { text } } }", ctx=ctx) == f'{{"grid":{data}}}'


def grid(**changes):
    """Return a root value whose grid is in order but for the changes."""
    return {"grid": thing("Grid", **{"cells": [], "strict": None, "line": None, "sure": LINE, "colour": None, **changes})}


@pytest.mark.parametrize(
    ("root", "query"),
    [
        (grid(cells=None), "{ grid { cells { text } } }"),
        (grid(strict=[[LINE, None]]), "{ grid { strict { text } } }"),
        (grid(strict=[None]), "{ grid { strict { text } } }"),
        (grid(sure=None), "{ grid { sure { text } } }"),
        ({"failing": None}, "{ failing }"),
        ({"things": [None]}, "{ things { __typename } }"),
        ({"named": [LINE]}, "{ named { name } }"),
        ({}, "{ sure(id: 9) { id } }"),
        ({}, "{ shelf(id: 3) { weight } }"),
    ],
)
async def test_a_null_where_there_must_be_none_is_an_anomaly(root, query):
    with pytest.raises(Anomaly):
        await shown(query, ctx=Context(root=root))


async def test_a_missing_object_in_a_required_place_is_an_anomaly():
    ctx = Context(root={"shelves": lambda **_: [SHELF]}, missing="1")
    with pytest.raises(Anomaly):
        await shown("{ shelves { boxes { shelf { weight } } } }", ctx=ctx)
    assert [call[0] for call in ctx.calls] == ["boxes", "shelf"]


@pytest.mark.parametrize(
    ("root", "query", "error"),
    [
        (grid(line=thing("Line", text=None)), "{ grid { line { text } } }", TypeError),
        (grid(colour="green"), "{ grid { colour } }", GraphQLError),
        (grid(line=thing("Line")), "{ grid { line { text } } }", AttributeError),
        ({"fails": ZeroDivisionError()}, "{ fails }", ZeroDivisionError),
        ({"sum": lambda **_: "many"}, "{ sum }", GraphQLError),
    ],
)
async def test_an_exception_reaches_the_caller(root, query, error):
    with pytest.raises(error):
        await shown(query, ctx=Context(root=root))


@pytest.mark.parametrize("relation", ["boxes", "box", "weight"])
async def test_a_failing_fetch_reaches_the_caller(relation):
    query = "{ shelf(id: 1) { weight pages { nodes { inner { id } } } } }"
    with pytest.raises(LookupError, match=relation):
        await shown(query, ctx=Context(broken=relation))


async def test_a_variable_that_is_not_acceptable_reaches_the_caller():
    with pytest.raises(GraphQLError):
        await shown("query($a: Int = 1) { sum(a: $a) }", {"a": None}, Context(root=SUM))


async def test_a_run_remembers_what_root_fields_gave_and_showed():
    ctx = Context(root={"set": lambda to: thing("Grid", cells=[], colour="red") if to else None, "fail": ZeroDivisionError("x")})
    query = "mutation { __typename a: set(to: 1) { colour } b: fail c: set(to: 0) { colour } }"
    run = run_of(query, None, ctx)
    with pytest.raises(ZeroDivisionError):
        await compiled(query).run(run)
    assert run.data == {"__typename": "Mutation", "a": {"colour": "RED"}}
    assert list(run.outcomes) == ["a", "b"]
    assert run.outcomes["a"].colour == "red"
    assert isinstance(run.outcomes["b"], ZeroDivisionError)


@pytest.mark.parametrize(
    ("query", "variables", "reason"),
    [
        ("{ __schema { queryType { name } } }", {}, "introspection"),
        ('{ shelf(id: 1) { id } __type(name: "Box") { name } }', {}, "introspection"),
        ("{ shelf(id: 1) { odd } }", {}, "Shelf.odd has a resolver of its own"),
        ("{ named { ... on Shelf { odd } } }", {}, "Shelf.odd has a resolver of its own"),
        ("{ shelf(id: 1) { boxes { shelf { odd } } } }", {}, "Shelf.odd has a resolver of its own"),
        ("{ shelf(id: 1) { tags } }", {}, "a list of leaves"),
        ("{ shelf(id: 1) { boxes { side { __typename } } } }", {}, "box.side is abstract"),
        ("{ shelf(id: 1) { pages { count } } }", {}, "BoxPages.count"),
        ("{ shelf(id: 1) { pages { edges { weight } } } }", {}, "BoxEdge.weight"),
        ("query($f: Boolean = true) { shelf(id: 1) { id @skip(if: $f) } }", {"f": None}, "a null in @skip or @include"),
        ("query($f: Boolean = true) { shelf(id: 1) @include(if: $f) { id } }", {"f": None}, "a null in @skip or @include"),
    ],
)
def test_what_is_not_covered_is_said(query, variables, reason):
    with pytest.raises(Uncovered, match=reason):
        compiled(query, variables)


def test_a_plan_explains_itself():
    query = """query($n: Int) { shelf(id: 1) { name weight boxes(first: $n) { shelf { name } } pages(first: 3) { nodes { id } } }
      grid { line { text } } kind: __typename }"""
    assert compiled(query).explain() == [
        "shelf:",
        "  fetch shelf by key",
        "    Shelf (name, id)",
        "      weight: fetch shelf.weight, once for each distinct id",
        "      boxes: fetch shelf.boxes for all parents at once, arguments from variables",
        "        Box (shelf.name)",
        "      pages: fetch shelf.pages for all parents at once, {'first': 3}",
        "        Box (id)",
        "grid:",
        "  call the resolver",
        "    Grid",
        "      line: of the parent",
        "        Line",
        "kind: Query",
    ]
