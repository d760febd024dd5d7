"""Where a command finds PostgreSQL and Redis: the configured ones, those of a server that runs now, or its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.cli.terminal import say
from app.infra import embedded
from app.infra.embedded import Addresses
from app.settings import Settings


@contextmanager
def owned(settings: Settings, *, tell: Callable[[str], None] = say) -> Iterator[Addresses]:
    """Give the configured servers; what is not configured is embedded and belongs to this process.

    Raises:
        ConfigurationError: the embedded servers cannot run, or another process has them.
    """
    database_url = settings.database_url.get_secret_value() if settings.database_url else ""
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    if database_url and redis_url:
        yield Addresses(database_url, redis_url)
        return
    with embedded.running(settings.home, say=tell, postgres=not database_url, valkey=not redis_url) as own:
        yield Addresses(database_url or own.database_url, redis_url or own.redis_url)


@contextmanager
def shared(settings: Settings) -> Iterator[Addresses]:
    """Give the configured servers; for what is not configured, those that a server here runs now, or else own ones.

    Raises:
        ConfigurationError: as for `owned`.
    """
    running = embedded.attached(settings.home)
    if running is None:
        with owned(settings) as addresses:
            yield addresses
        return
    yield Addresses(
        settings.database_url.get_secret_value() if settings.database_url else running.database_url,
        settings.redis_url.get_secret_value() if settings.redis_url else running.redis_url,
    )


@contextmanager
def postgres(settings: Settings) -> Iterator[str]:
    """Give the address of the configured PostgreSQL, of the one that a server here runs now, or of one for this command."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
    elif (addresses := embedded.attached(settings.home)) and addresses.database_url:
        yield addresses.database_url
    else:
        with embedded.running(settings.home, say=say, valkey=False) as own:
            yield own.database_url
