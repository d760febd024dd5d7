"""Commands on a database that nobody has migrated yet: they bring it up to date, and say the rest in a sentence."""

import os
import secrets
import subprocess
import sys
from urllib.parse import urlsplit, urlunsplit

import pytest

from app.infra import database, migrations


@pytest.fixture
async def new_database(servers, addresses):
    """The address of a database without tables."""
    name = f"feedgraph_new_{secrets.token_hex(6)}"
    admin, pool = await database.connect(addresses.database_url, pool_size=1, acquire_timeout_s=10, statement_timeout_s=60)
    await admin.execute(f"create database {name}")
    yield urlunsplit(urlsplit(addresses.database_url)._replace(path=f"/{name}"))
    await admin.execute(f"drop database {name} with (force)")
    await database.close(pool, timeout_s=5)


def feedgraph(database_url: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": "redis://127.0.0.1:1"}
    command = [sys.executable, "-m", "app", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("posts", "hide", "5"), "There is no post 5."),
        (("posts", "show", "5"), "There is no post 5."),
        (("posts", "hide", "x"), "id must be a decimal id"),
        (("tokens", "create", "--user", "ada"), "There is no user named 'ada'."),
    ],
)
async def test_what_is_not_there_is_said_in_a_sentence(new_database, words, sentence):
    ended = feedgraph(new_database, *words)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_migrate_says_what_it_did_and_then_that_nothing_is_left(new_database):
    assert f"Applied {len(migrations.files())} migrations." in feedgraph(new_database, "migrate").stderr
    assert "up to date" in feedgraph(new_database, "migrate").stderr


async def test_a_token_that_was_made_is_alone_on_standard_output(new_database):
    assert feedgraph(new_database, "demo", "--users", "123", "--posts", "30", "--replies", "0").returncode == 0
    db, pool = await database.connect(new_database, pool_size=1, acquire_timeout_s=10, statement_timeout_s=60)
    username = await db.fetchval("select username from users where id = 123")
    ended = feedgraph(new_database, "tokens", "create", "--user", username, "--unlimited")
    assert ended.returncode == 0
    assert await db.fetchval("select unlimited from sessions where token_hash = sha256($1::bytea)", ended.stdout.strip().encode())
    await database.close(pool, timeout_s=5)
