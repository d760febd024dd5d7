"""Commands on a database that nobody has migrated yet: they bring it up to date, and say the rest in a sentence."""

import asyncio
import re
import secrets
from urllib.parse import urlsplit, urlunsplit

import pytest

from app.infra import database, migrations


@pytest.fixture
async def new_database(addresses, monkeypatch):
    """The address of a database without tables, which is also that of the commands."""
    name = f"feedgraph_new_{secrets.token_hex(6)}"
    admin, pool = await database.connect(addresses.database_url, pool_size=1, acquire_timeout_s=10, statement_timeout_s=60)
    await admin.execute(f"create database {name}")
    address = urlunsplit(urlsplit(addresses.database_url)._replace(path=f"/{name}"))
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    yield address
    await admin.execute(f"drop database {name} with (force)")
    await database.close(pool, timeout_s=5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("posts", "hide", "5"), "There is no post 5."),
        (("posts", "show", "5"), "There is no post 5."),
        (("posts", "hide", "x"), "id must be a decimal id"),
        (("tokens", "create", "--user", "ada"), "There is no user named 'ada'."),
    ],
)
@pytest.mark.usefixtures("new_database")
def test_what_is_not_there_is_said_in_a_sentence(feedgraph, words, sentence):
    ended = feedgraph(*words)
    assert (ended.status, ended.out) == (2, b"")
    assert ended.err.splitlines()[-1].startswith(f"feedgraph: {sentence}")


@pytest.mark.parametrize(
    ("database_url", "reason"),
    [
        ("postgresql://app@no-such-host.invalid/feedgraph", "."),
        ("postgresql:///feedgraph?host=/no/such/directory", "No such file"),
        ("postgresql://app@127.0.0.1:port/feedgraph", "port"),
        ("mysql://root@127.0.0.1/feedgraph", r"begin with postgresql://"),
        ("nonsense", "."),
    ],
)
def test_a_wrong_address_is_said_in_a_sentence(feedgraph, monkeypatch, database_url, reason):
    monkeypatch.setenv("DATABASE_URL", database_url)
    ended = feedgraph("migrate")
    assert ended.status == 2
    assert re.fullmatch(r"feedgraph: .*DATABASE_URL.*\n", ended.err)
    assert re.search(reason, ended.err)


@pytest.mark.usefixtures("new_database")
def test_migrate_says_what_it_did_and_then_that_nothing_is_left(feedgraph):
    assert f"Applied {len(migrations.files())} migrations." in feedgraph("migrate").err
    assert "up to date" in feedgraph("migrate").err


def test_a_token_that_was_made_is_alone_on_standard_output(feedgraph, new_database):
    assert feedgraph("demo", "--users", "123", "--posts", "30", "--replies", "0").status == 0
    [username] = asyncio.run(fetched(new_database, "select username from users where id = 123"))
    ended = feedgraph("tokens", "create", "--user", username, "--unlimited")
    assert ended.status == 0
    token = ended.out.strip()
    question = "select unlimited from sessions where token_hash = sha256($1::bytea)"
    assert asyncio.run(fetched(new_database, question, token)) == [True]


async def fetched(address, statement, *values):
    """Return the first column of a statement's rows."""
    db, pool = await database.connect(address, pool_size=1, acquire_timeout_s=10, statement_timeout_s=60)
    rows = await db.fetch(statement, *values)
    await database.close(pool, timeout_s=5)
    return [row[0] for row in rows]
