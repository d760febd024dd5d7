"""What the tests of all faces stand on: a server that serves every one."""

import pytest

from tests.clients import TestServer


@pytest.fixture
async def server(start_server) -> TestServer:
    """A server with every face."""
    return await start_server(grpc=True)
