"""Documents that clients register by their hash, to send only the hash from then on."""

from app.services.context import Resources

MAX_TEXT_BYTES = 16 * 1024  # longer ones are rare; ten thousand of them would fill Redis. Their clients send the text each time


async def find(resources: Resources, hash_: str) -> str | None:
    """Return the registered text with this SHA-256, in hexadecimal digits; None where there is none (any more)."""
    return await resources.persisted.find(hash_)


async def register(resources: Resources, hash_: str, text: str) -> None:
    """Keep a text that is known to have this hash and to be a valid document, unless it is very long."""
    if len(text.encode()) <= MAX_TEXT_BYTES and await resources.persisted.find(hash_) is None:
        await resources.persisted.keep(hash_, text)
