"""What tests of the gRPC face stand on: a server that serves it, and stubs on a channel."""

from collections.abc import AsyncIterator

import pytest

from tests.clients import TestServer
from tests.grpc_calls import Stubs, connected


@pytest.fixture
async def server(start_server) -> TestServer:
    """A server with gRPC."""
    return await start_server(grpc=True)


@pytest.fixture
async def stubs(server: TestServer) -> AsyncIterator[Stubs]:
    """Stubs of every service."""
    async with connected(server) as stubs:
        yield stubs
