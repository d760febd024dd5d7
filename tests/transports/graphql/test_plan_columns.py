"""Plans show columns as they are, without looking for nulls: the database must keep what the schema promises."""

import pytest
from graphql import GraphQLObjectType, is_non_null_type

from app.engine import Attribute, ToMany, ToOne
from app.transports.graphql.bindings import binding_of
from app.transports.graphql.schema import core_schema

pytestmark = pytest.mark.postgres

TABLES = {"User": "users", "Post": "posts", "Media": "media"}
COLUMNS = "select column_name, is_nullable = 'NO' as required from information_schema.columns where table_name = $1"
REFERENCES = """
select count(*) from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any(c.conkey)
where c.contype = 'f' and c.conrelid = $1::regclass and a.attname = $2 and c.confrelid = $3::regclass
"""


def fields_of(name):
    """Return each field's name, type and binding."""
    type_ = core_schema().type_map[name]
    assert isinstance(type_, GraphQLObjectType)
    return [(field, definition.type, binding_of(type_, field, definition)) for field, definition in type_.fields.items()]


@pytest.mark.parametrize("name", TABLES)
async def test_columns_behind_fields_that_are_never_null_are_not_null(db, name):
    columns = {row["column_name"]: row["required"] for row in await db.fetch(COLUMNS, TABLES[name])}
    checked = 0
    for field, type_, binding in fields_of(name):
        column = binding.name if isinstance(binding, Attribute) else getattr(binding, "column", None)
        assert column in columns, f"{name}.{field} reads a column that {TABLES[name]} does not have"
        if is_non_null_type(type_):
            assert columns[column], f"{name}.{field} is never null, {TABLES[name]}.{column} may be"
            checked += 1
        elif isinstance(binding, Attribute):
            assert not columns[column], f"{name}.{field} may be null, {TABLES[name]}.{column} may not"
    assert checked >= {"User": 9, "Post": 9, "Media": 6}[name]


@pytest.mark.parametrize("name", TABLES)
async def test_what_a_plan_joins_is_always_there(db, name):
    joined = [binding for _, _, binding in fields_of(name) if isinstance(binding, ToOne) and binding.join is not None]
    assert [binding.name for binding in joined] == {"User": [], "Post": ["post.author"], "Media": []}[name]
    for binding in joined:
        assert await db.fetchval(REFERENCES, TABLES[name], binding.column, "users") == 1


@pytest.mark.parametrize("name", TABLES)
def test_every_field_of_a_thing_is_known_to_the_engine(name):
    for field, _, binding in fields_of(name):
        assert isinstance(binding, Attribute | ToOne | ToMany), f"{name}.{field} has a resolver of its own"
