"""What the tests of the GraphQL face share."""

import gc

import pytest

from app.domain.models import Viewer
from app.infra import database
from tests.transports.graphql.handful import BOB, WORLD
from tests.transports.graphql.plan_reference import Judge


@pytest.fixture
async def single(addresses):
    """A door to the database with one connection."""
    db, pool = await database.connect(addresses.database_url, pool_size=1, acquire_timeout_s=10, statement_timeout_s=60)
    yield db
    await database.close(pool, timeout_s=5)


@pytest.fixture(scope="module", autouse=True)
def _collected():
    """Collect what graphql-core dropped where a field failed, before the next module, whose tests would be warned of it.

    Not after each test: looking at all objects takes longer than most tests do.
    """
    yield
    gc.collect()


@pytest.fixture
async def judge(db, start_server, single) -> Judge:
    """The judge over a handful of rows; Bob is signed in."""
    server = await start_server()
    await single.execute(WORLD)
    return Judge(server.running.resources, single, Viewer(BOB, 21, None))  # type: ignore[arg-type]  # nothing reads when it ends
