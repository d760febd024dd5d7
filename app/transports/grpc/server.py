"""The gRPC server: its port, its limits, health and reflection, and its life from the first to the last call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from app.domain.errors import ConfigurationError
from app.services.context import Resources
from app.settings import Settings
from app.transports.grpc.calls import Face
from app.transports.grpc.health import Health
from app.transports.grpc.registry import handlers, served

log = structlog.get_logger("feedgraph.grpc")

Checks = Callable[[], Awaitable[dict[str, str]]]

HEALTH_S = 2.0  # how often the health of all services is looked at
LAST_WRITES_S = 0.5


class GrpcServer:
    """A server that listens. `drain` begins its end: from then on it takes no new call."""

    def __init__(self, face: Face, server: grpc.aio.Server, health: Health) -> None:
        self._face = face
        self._server = server
        self._health = health
        self._stopping: asyncio.Task[None] | None = None

    async def follow_health(self, readiness: Checks) -> None:
        """Tell until the server stops whether calls can be served; Redis is not needed for that."""
        while not self._stopping:
            parts = await readiness()
            is_ready = all(state == "ok" for name, state in parts.items() if name != "redis")
            self._health.tell(is_serving=is_ready and not self._stopping)
            await asyncio.sleep(HEALTH_S)

    async def drain(self) -> None:
        """Say NOT_SERVING, send the readers of streams away, and take no new call; running ones have a moment to end."""
        if self._stopping is None:
            self._health.tell(is_serving=False)
            self._face.draining.set()
            self._stopping = asyncio.ensure_future(self._server.stop(self._face.resources.settings.shutdown_timeout_s))

    async def stopped(self) -> None:
        """Wait until the last call has ended, and the last write whose caller left."""
        await self.drain()
        if self._stopping:
            await self._stopping
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WRITES_S):
                await asyncio.gather(*self._face.resources.unfinished, return_exceptions=True)


@asynccontextmanager
async def serving(resources: Resources, readiness: Checks, *, shares_port: bool = False) -> AsyncIterator[GrpcServer]:
    """Listen while the context is open; at its end, let running calls finish and send the readers of streams away.

    `shares_port` says that other processes of this server listen there, too.

    Raises:
        ConfigurationError: the address is not to be had.
    """
    settings, face = resources.settings, Face(resources)
    health = Health([service.full_name for service, _ in served()])
    server = grpc.aio.server(options=options(settings, shares_port=shares_port), maximum_concurrent_rpcs=settings.grpc_max_calls)
    server.add_generic_rpc_handlers(handlers(face))
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    names = [*(service.full_name for service, _ in served()), reflection.SERVICE_NAME, "grpc.health.v1.Health"]
    reflection.enable_server_reflection(names, server)
    running = GrpcServer(face, server, health)
    try:
        listen(server, settings)
        await server.start()
        telling = asyncio.create_task(running.follow_health(readiness))
        try:
            yield running
        finally:
            telling.cancel()
    finally:
        await running.stopped()


def listen(server: grpc.aio.Server, settings: Settings) -> None:
    """Take the port.

    Raises:
        ConfigurationError: the address is not to be had.
    """
    try:
        server.add_insecure_port(settings.grpc_address)
    except RuntimeError as error:
        message = f"Cannot listen on {settings.grpc_address} for gRPC: another program does, or this user may not."
        raise ConfigurationError(f"{message} Set FEEDGRAPH_GRPC_PORT or FEEDGRAPH_HOST, or FEEDGRAPH_GRPC=false.") from error


def options(settings: Settings, *, shares_port: bool) -> list[tuple[str, int]]:
    """Return the limits of the transport, in the names of gRPC's core."""
    keepalive_ms = int(settings.grpc_keepalive_s * 1000)
    return [
        ("grpc.max_receive_message_length", settings.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", settings.max_header_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_header_bytes),  # else the core refuses only some above the limit
        ("grpc.max_concurrent_streams", settings.max_running),  # of one connection; more wait at their client
        ("grpc.keepalive_time_ms", keepalive_ms),
        ("grpc.keepalive_timeout_ms", keepalive_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),  # clients that ping oftener are sent away
        ("grpc.max_connection_idle_ms", int(settings.keepalive_timeout_s * 1000)),
        ("grpc.so_reuseport", int(shares_port)),  # else a second server would take the port, too, and half of the calls
    ]
