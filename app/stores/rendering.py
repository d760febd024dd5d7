"""Things and lists as JSON text that PostgreSQL writes: one statement, whatever is shown of them and of the lists in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import orjson

from app.domain.shown import Constant, Fields, Joined, Leaf, Listed, Rows, Text
from app.infra.database import Database
from app.stores import posts, users
from app.stores.columns import Table

FIRST_LIST = 3  # the argument that is the size of the first list
MAX_ARGUMENTS = 90  # of one function: PostgreSQL has a limit of 100
VIEWER = "k.viewer"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of a list, or the thing of a key, come from: SQL in which {row} is their alias and {key} the key."""

    table: Table
    rows: str  # behind `from`
    where: str
    order: str = ""
    key_type: str = "bigint"


def _people(relation: str, key: str, other: str) -> Source:
    """Return the source of people who stand in a relation of its own table, newest first."""
    rows = f"{relation} {{row}}_by join users {{row}} on {{row}}.id = {{row}}_by.{other}"
    return Source(users.TABLE, rows, f"{{row}}_by.{key} = {{key}}", f"{{row}}_by.created_at desc, {{row}}_by.{other} desc")


_VISIBLE = posts.visible(VIEWER, "{row}")

# By the names of the relations.
LISTS: Final = {
    "user.posts": Source(
        posts.TABLE,
        "posts {row}",
        f"{{row}}.author_id = {{key}} and {{row}}.in_reply_to_id is null and {_VISIBLE}",
        "{row}.id desc",
    ),
    "post.replies": Source(posts.TABLE, "posts {row}", f"{{row}}.in_reply_to_id = {{key}} and {_VISIBLE}", "{row}.id desc"),
    "user.followers": _people("follows", "followee_id", "follower_id"),
    "user.following": _people("follows", "follower_id", "followee_id"),
    "post.likers": _people("likes", "post_id", "user_id"),
}
THINGS: Final = {
    "user": Source(users.TABLE, "users {row}", "{row}.id = {key}"),
    "userByName": Source(users.TABLE, "users {row}", "{row}.username = {key}", key_type="text"),
    "post": Source(posts.TABLE, "posts {row}", f"{{row}}.id = {{key}} and {_VISIBLE}"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """What is written for a key. `sql` takes keys, the viewer of each of them, and the sizes of the lists in their order, each
    list before those in its rows."""

    sql: str


def rendering_of_things(name: str, fields: Fields) -> Rendering:
    """Return how the things of a root are written."""
    source, numbers = THINGS[name], count(FIRST_LIST)
    body = row_sql(source, "t", "k.key", fields, numbers)
    return Rendering(whole(source, f"left join lateral ({body}) t on true", "t"))


def rendering_of_lists(name: str, shown: Listed) -> Rendering:
    """Return how the lists of a relation are written."""
    source, numbers = LISTS[name], count(FIRST_LIST)
    body = list_sql(shown, "k.key", numbers)
    return Rendering(whole(source, f"cross join lateral ({body}) t", "t"))


async def texts(
    db: Database, rendering: Rendering, keys: Sequence[Any], viewers: Sequence[int | None], sizes: Sequence[int]
) -> list[Text | None]:
    """Return the text for each key, as its viewer may see it; None for a key that has nothing. One statement."""
    rows = await db.fetch(rendering.sql, keys, viewers, *sizes)
    if not rows:  # each key has a row, but where statements are only noted
        return [None] * len(keys)
    return [None if row[0] is None else Text(row[0], row[1:]) for row in rows]


def whole(source: Source, join: str, alias: str) -> str:
    """Return a statement that has a row for each key, in their order."""
    keys = f"unnest($1::{source.key_type}[], $2::bigint[]) with ordinality k (key, viewer, number)"
    return f"select {alias}.* from {keys} {join} order by k.number"


def row_sql(source: Source, alias: str, key: str, fields: Fields, numbers: Iterator[int], limit: str = "") -> str:
    """Return SQL that gives one row for each row of a source: its text `j`, and behind it the lengths of the lists in it.

    `numbers` gives each list the argument that is its size.
    """
    laterals, lengths, names = [], list[str](), dict[int, str]()
    for index, field in enumerate(fields):
        if isinstance(field, Listed):
            number = next(numbers)
            names[index] = f"l{number}.j"
            inner = list_sql(field, f"{alias}.id", numbers, number)
            laterals.append(f"cross join lateral ({inner}) l{number}")
            lengths += [
                f"l{number}.n{column}" for column in range(1 + len([each for each in field.fields if isinstance(each, Listed)]))
            ]
    columns = "".join(f", {length} as m{place}" for place, length in enumerate(lengths))
    where, rows = source.where.format(row=alias, key=key), source.rows.format(row=alias)
    order = f" order by {source.order.format(row=alias)} limit {limit}" if limit else ""
    return f"""
        select {shown(fields, source.table, alias, names)} as j{columns}
        from {rows} {joins(fields, source.table, alias)} {" ".join(laterals)} where {where}{order}
        """


def list_sql(field: Listed, key: str, numbers: Iterator[int], number: int | None = None) -> str:
    """Return SQL that gives a list as one row: its text `j`, its length `n0`, and the lengths of each list in its rows, `n1` …"""
    number = next(numbers) if number is None else number
    inner = sum(isinstance(each, Listed) for each in field.fields)
    lengths = "".join(f", coalesce(array_agg(r.m{place}), '{{}}') as n{place + 1}" for place in range(inner))
    body = row_sql(LISTS[field.relation], f"r{number}", key, field.fields, numbers, f"${number}")
    before, after = around(field)
    return f"""
        select {before} || coalesce(string_agg(r.j, ','), '') || {after} as j, count(*)::int as n0{lengths} from ({body}) r
        """


def around(field: Listed) -> tuple[str, str]:
    """Return the SQL of what stands before and behind the rows of a list."""
    before, after, has_rows = "[", "]", False
    for index, part in enumerate(field.around):
        key = f"{'{' if index == 0 else ','}{as_text(part.key)}:"
        if isinstance(part, Rows):
            before, after, has_rows = f"{before[:-1]}{key}[", "]", True
        elif has_rows:
            after += key + as_text(part.text)
        else:
            before = f"{before[:-1]}{key}{as_text(part.text)}["
    return quoted(before), quoted(after + ("}" if field.around else ""))


def joins(fields: Fields, table: Table, alias: str) -> str:
    """Return the SQL of the joins that are shown; each is named after the row's alias and the join."""
    names = dict.fromkeys(field.join for field in fields if isinstance(field, Joined))
    return " ".join(table.join_of(name, alias) for name in names)


def shown(fields: Fields, table: Table, alias: str, lists: dict[int, str]) -> str:
    """Return the SQL of one row's JSON; `lists` has the SQL of its lists' texts, by their places among the fields."""
    merged_pieces = merged(pieces(fields, table, alias, lists))
    parts = [merged_pieces[start : start + MAX_ARGUMENTS] for start in range(0, len(merged_pieces), MAX_ARGUMENTS)]
    return " || ".join(f"concat({', '.join(part)})" for part in parts)


def pieces(fields: Fields, table: Table, alias: str, lists: dict[int, str]) -> list[str]:
    """Return the SQL of the pieces of an object: texts that stand there, and what comes from the row."""
    found = [quoted("{")]
    for index, field in enumerate(fields):
        found.append(quoted(f"{',' if index else ''}{as_text(field.key)}:"))
        match field:
            case Leaf():
                found += leaf(field, table, alias)
            case Constant():
                found.append(quoted(as_text(field.text)))
            case Joined():
                found += pieces(field.fields, table.joins[field.join][0], f"{alias}_{field.join}", {})
            case Listed():
                found.append(lists[index])
    return [*found, quoted("}")]


def merged(parts: list[str]) -> list[str]:
    """Return the pieces with texts that stand beside each other put together."""
    found: list[str] = []
    for part in parts:
        if found and found[-1].startswith("'") and part.startswith("'"):
            found[-1] = found[-1][:-1] + part[1:]
        else:
            found.append(part)
    return found


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


def as_text(name: str) -> str:
    """Return a name as JSON."""
    return orjson.dumps(name).decode()


def quoted(text: str) -> str:
    """Return a text of ours as SQL. Keys are names of the grammar, so there is nothing to escape but what is checked here.

    Raises:
        ValueError: there is.
    """
    if "'" in text or "\\" in text:
        raise ValueError(text)
    return f"'{text}'"
