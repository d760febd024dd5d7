"""Lists of posts as JSON text that PostgreSQL writes: one statement, whatever is shown of the rows and of the lists in them."""

from collections.abc import Sequence
from functools import lru_cache

import orjson

from app.domain.shown import Constant, Fields, Joined, Leaf, Listed, Text
from app.infra.database import Database
from app.stores import posts
from app.stores.columns import LARGEST_CACHE, Table

FIRST_LIST = 4  # the argument that is the size of the first list in a row
MAX_ARGUMENTS = 90  # of one function: PostgreSQL has a limit of 100

# The lists, by the names of their relations: which posts `{alias}` are in the list of the key `{key}`.
LISTS = {
    "user.posts": "{alias}.author_id = {key} and {alias}.in_reply_to_id is null",
    "post.replies": "{alias}.in_reply_to_id = {key}",
}


async def texts(
    db: Database, relation: str, keys: Sequence[int], sizes: Sequence[int], fields: Fields, *, viewer_id: int | None
) -> list[Text]:
    """Return each key's list, newest first, as `posts.by_authors` and `posts.replies` would. One statement.

    `sizes` are the longest lengths of the list and of the lists in its rows, in their order.
    """
    inner = [field.key for field in fields if isinstance(field, Listed)]
    rows = await db.fetch(statement(relation, fields), keys, viewer_id, *sizes)
    return [Text(row[0], row[1], dict(zip(inner, row[2:], strict=True))) for row in rows]


@lru_cache(maxsize=LARGEST_CACHE)
def statement(relation: str, fields: Fields) -> str:
    """Return the statement; its arguments are the keys, the viewer, and the sizes."""
    inner = [field for field in fields if isinstance(field, Listed)]
    laterals = [
        f"cross join lateral ({listed(field.relation, 'p.id', 'q', field.fields, f'${number}')}) l{number}"
        for number, field in enumerate(inner, FIRST_LIST)
    ]
    numbers = range(FIRST_LIST, FIRST_LIST + len(inner))
    lengths = "".join(f", coalesce(array_agg(r.n{number}), '{{}}')" for number in numbers)
    columns = "".join(f", l{number}.n as n{number}" for number in numbers)
    return f"""
        select l.* from unnest($1::bigint[]) with ordinality k (id, number) cross join lateral (
            select '[' || coalesce(string_agg(r.j, ','), '') || ']', count(*)::int{lengths} from (
                select {shown(fields, posts.TABLE, "p")} as j{columns}
                from posts p {joins(fields, posts.TABLE, "p")} {" ".join(laterals)}
                where {LISTS[relation].format(alias="p", key="k.id")} and {posts.visible("$2")}
                order by p.id desc limit $3
            ) r
        ) l order by k.number
        """


def listed(relation: str, key: str, alias: str, fields: Fields, limit: str) -> str:
    """Return SQL that gives a list without further lists as one row: its text `j` and its length `n`."""
    return f"""
        select '[' || coalesce(string_agg(r.j, ','), '') || ']' as j, count(*)::int as n from (
            select {shown(fields, posts.TABLE, alias)} as j from posts {alias} {joins(fields, posts.TABLE, alias)}
            where {LISTS[relation].format(alias=alias, key=key)} and {posts.visible("$2", alias)}
            order by {alias}.id desc limit {limit}
        ) r
        """


def joins(fields: Fields, table: Table, alias: str) -> str:
    """Return the SQL of the joins that are shown; each is named after the row's alias and the join."""
    names = dict.fromkeys(field.join for field in fields if isinstance(field, Joined))
    return " ".join(table.join_of(name, alias) for name in names)


def shown(fields: Fields, table: Table, alias: str) -> str:
    """Return the SQL of one row's JSON."""
    whole = merged(pieces(fields, table, alias))
    parts = [whole[start : start + MAX_ARGUMENTS] for start in range(0, len(whole), MAX_ARGUMENTS)]
    return " || ".join(f"concat({', '.join(part)})" for part in parts)


def pieces(fields: Fields, table: Table, alias: str) -> list[str]:
    """Return the SQL of the pieces of an object: texts that stand there, and what comes from the row."""
    found, number = [], FIRST_LIST - 1
    for index, field in enumerate(fields):
        found.append(quoted(f"{'{' if index == 0 else ','}{orjson.dumps(field.key).decode()}:"))
        match field:
            case Leaf():
                found += leaf(field, table, alias)
            case Constant():
                found.append(quoted(orjson.dumps(field.text).decode()))
            case Joined():
                found += pieces(field.fields, table.joins[field.join][0], f"{alias}_{field.join}")
            case Listed():
                number += 1
                found.append(f"l{number}.j")
    return [*found, quoted("}")]


def merged(parts: list[str]) -> list[str]:
    """Return the pieces with texts that stand beside each other put together."""
    whole: list[str] = []
    for part in parts:
        if whole and whole[-1].startswith("'") and part.startswith("'"):
            whole[-1] = whole[-1][:-1] + part[1:]
        else:
            whole.append(part)
    return whole


def leaf(field: Leaf, table: Table, alias: str) -> list[str]:
    """Return the SQL of the pieces of a column's JSON."""
    column, kind = table.sql_of(alias, field.column), table.kind_of(field.column)
    if kind == "text" and not field.is_text:
        text = f"to_json({column})"
        return [text if field.is_required else f"coalesce({text}::text, 'null')"]
    has_quotes = field.is_text or kind == "time"
    if field.is_required:
        return ["'\"'", column, "'\"'"] if has_quotes else [column]
    text = f"""'"' || {column} || '"'""" if has_quotes else f"{column}::text"
    return [f"coalesce({text}, 'null')"]


def quoted(text: str) -> str:
    """Return a text of ours as SQL. Keys are names of the grammar, so there is nothing to escape but what is checked here.

    Raises:
        ValueError: there is.
    """
    if "'" in text or "\\" in text:
        raise ValueError(text)
    return f"'{text}'"
