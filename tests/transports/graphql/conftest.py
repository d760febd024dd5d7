"""What the tests of the GraphQL face share."""

import gc

import pytest

from app.infra import database


@pytest.fixture
async def single(addresses):
    """A door to the database with one connection."""
    db, pool = await database.connect(addresses.database_url, pool_size=1, acquire_timeout_s=10, statement_timeout_s=60)
    yield db
    await database.close(pool, timeout_s=5)


@pytest.fixture(autouse=True)
def _collected():
    """Collect what graphql-core dropped where a field failed, before the next test, which would be warned of it."""
    yield
    gc.collect()
