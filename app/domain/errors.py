"""Every deliberate error of the server, with its stable code.

FeedgraphError
 ├─ InvalidInput               BAD_USER_INPUT
 │   ├─ PageSize               PAGE_SIZE
 │   ├─ CursorInvalid          CURSOR_INVALID
 │   ├─ ArchiveInvalid         ARCHIVE_INVALID
 │   ├─ ArchiveTooLarge        ARCHIVE_TOO_LARGE
 │   ├─ ImageInvalid           IMAGE_INVALID
 │   ├─ ImageTooLarge          IMAGE_TOO_LARGE
 │   └─ IdempotencyMismatch    IDEMPOTENCY_MISMATCH
 ├─ Unauthenticated            UNAUTHENTICATED
 ├─ Forbidden                  FORBIDDEN
 ├─ NotFound                   NOT_FOUND
 ├─ Conflict                   CONFLICT
 ├─ Gone                       GONE
 ├─ Throttled                  THROTTLED
 ├─ TooManyOperations          TOO_MANY_OPERATIONS
 ├─ DeadlineExceeded           DEADLINE_EXCEEDED
 ├─ Overloaded                 OVERLOADED
 │   └─ Unavailable            UNAVAILABLE
 └─ ConfigurationError         CONFIGURATION (start-up only, never on a wire)

The class's docstring is the message where none is given. How an error looks on a wire stands in `transports/errors.py`.
"""

from typing import ClassVar


class FeedgraphError(Exception):
    """The request failed."""

    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)

    @property
    def message(self) -> str:
        """What went wrong and what to do, in a sentence for the caller."""
        return str(self.args[0])


class InvalidInput(FeedgraphError):
    """The input is not acceptable."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class PageSize(InvalidInput):
    """A page holds from 0 to 100 rows: pass first or last within that range."""

    code = "PAGE_SIZE"


class CursorInvalid(InvalidInput):
    """The cursor is not one of this list: pass a cursor back unchanged, to the list that gave it."""

    code = "CURSOR_INVALID"


class ArchiveInvalid(InvalidInput):
    """The archive cannot be read: send a .zip or a .tar.gz as it was exported."""

    code = "ARCHIVE_INVALID"


class ArchiveTooLarge(InvalidInput):
    """The archive unpacks to more than is allowed, or holds a single entry that large."""

    code = "ARCHIVE_TOO_LARGE"


class ImageInvalid(InvalidInput):
    """The image cannot be read: send a whole PNG, JPEG, WebP or GIF."""

    code = "IMAGE_INVALID"


class ImageTooLarge(InvalidInput):
    """The image has more pixels than are allowed."""

    code = "IMAGE_TOO_LARGE"


class IdempotencyMismatch(InvalidInput):
    """This idempotency key was used before with other input: use a new key for a new request."""

    code = "IDEMPOTENCY_MISMATCH"


class Unauthenticated(FeedgraphError):
    """Sign in first: send the header `Authorization: Bearer <token>`."""

    code = "UNAUTHENTICATED"


class Forbidden(FeedgraphError):
    """You may not do this."""

    code = "FORBIDDEN"


class NotFound(FeedgraphError):
    """There is no such thing, or it is hidden from you."""

    code = "NOT_FOUND"


class Conflict(FeedgraphError):
    """Somebody else changed this at the same moment, or the name is taken: read again, then try again."""

    code = "CONFLICT"


class Gone(FeedgraphError):
    """This was here once and is not any more: it was fetched already, or its time is over."""

    code = "GONE"


class Throttled(FeedgraphError):
    """Too many attempts: wait and try again."""

    code = "THROTTLED"

    def __init__(self, message: str | None = None, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyOperations(FeedgraphError):
    """Too many sockets, streams, waiting polls and files of one caller are on their way: close some, or wait for some to end."""

    code = "TOO_MANY_OPERATIONS"


class DeadlineExceeded(FeedgraphError):
    """The operation took longer than its deadline and was stopped: ask for less at once."""

    code = "DEADLINE_EXCEEDED"


class Overloaded(FeedgraphError):
    """The server has more to do than it can: try again in a moment."""

    code = "OVERLOADED"


class Unavailable(Overloaded):
    """A part of the server is not reachable right now: try again in a moment."""

    code = "UNAVAILABLE"


class ConfigurationError(FeedgraphError):
    """The server cannot start as it is configured."""

    code = "CONFIGURATION"
