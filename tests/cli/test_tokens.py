"""`feedgraph tokens create`: a token for an account, unlimited or not."""

import os
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec

import pytest

from tests.cli.conftest import Ended
from tests.clients import TestServer


async def created(addresses, *arguments: str) -> tuple[int, str, str]:
    """Run the command; return its status and what it says."""
    environment = {**os.environ, "DATABASE_URL": addresses.database_url, "REDIS_URL": addresses.redis_url}
    command = await create_subprocess_exec(
        sys.executable, "-m", "app", "tokens", "create", *arguments, stdout=PIPE, stderr=PIPE, env=environment
    )
    out, err = await command.communicate()
    return command.returncode or 0, out.decode(), err.decode()


async def test_a_token_signs_its_user_in(server: TestServer, addresses):
    person = await server.person("tokenholder")
    for flag, budget in [((), "signed-in"), (("--unlimited",), "unlimited")]:
        status, out, err = await created(addresses, "--user", "TokenHolder", *flag)
        assert (status, err) == (0, "")
        answer = await server.graphql("{ viewer { id } }", headers={"Authorization": f"Bearer {out.strip()}"})
        assert answer.data == {"viewer": {"id": person.id}}
        assert answer.headers["RateLimit-Policy"].startswith(f'"{budget}"')


@pytest.mark.usefixtures("db")
def test_nobody_gets_no_token(feedgraph, monkeypatch, addresses):
    monkeypatch.setenv("DATABASE_URL", addresses.database_url)
    ended = feedgraph("tokens", "create", "--user", "nobody_at_all", "--unlimited")
    assert ended == Ended(2, b"", "feedgraph: There is no user named 'nobody_at_all'.\n")
