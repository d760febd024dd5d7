"""grpc.health.v1: whether calls are served. One state for all services, since they stand on the same parts.

The library's own servicer writes to its watchers under a lock: one who never reads would freeze the state for everybody.
"""

import asyncio
from collections.abc import Collection
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

Call = grpc.aio.ServicerContext[Any, Any]


class Health(health_pb2_grpc.HealthServicer):
    """The health of the services with these names; "" is the server as a whole."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = {"", *names}
        self._is_serving = False
        self._changed = asyncio.Event()

    def tell(self, *, is_serving: bool) -> None:
        """Take the state from now on."""
        if is_serving != self._is_serving:
            self._is_serving = is_serving
            self._changed.set()
            self._changed = asyncio.Event()  # each watcher waits on the one that stood here when it looked

    async def Check(self, request: Any, context: Call) -> Any:  # the protocol's name
        """Return the state; NOT_FOUND for a service that is unknown."""
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service.")
        return health_pb2.HealthCheckResponse(status=self._status(request.service))

    async def Watch(self, request: Any, context: Call) -> None:  # the protocol's name
        """Send the state, and again whenever it has changed, for ever."""
        told = None
        while True:
            changed, status = self._changed, self._status(request.service)
            if status != told:
                await context.write(health_pb2.HealthCheckResponse(status=status))
                told = status
            await changed.wait()

    def _status(self, service: str) -> Any:
        if service not in self._names:
            return SERVICE_UNKNOWN
        return SERVING if self._is_serving else NOT_SERVING
