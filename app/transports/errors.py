"""How every error looks on every wire: one row a code."""

import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from app.domain.errors import FeedgraphError, InvalidInput, Throttled

log = structlog.get_logger(__name__)

INTERNAL = "INTERNAL_SERVER_ERROR"
INTERNAL_MESSAGE = "Something went wrong on our side. Tell us the errorId if it happens again."


GRPC_STATUSES: Final[dict[int, str]] = {  # where a row names no other; see the comments of grpc's own status codes
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    410: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@dataclass(frozen=True, slots=True)
class Row:
    """What a code means: the HTTP status where there is no data, gRPC's status (absent: the one that goes with HTTP's), and
    whether the server's owner should hear of it."""

    status: int
    grpc: str = ""
    is_logged: bool = False

    @property
    def grpc_status(self) -> str:
        """The name of gRPC's status code."""
        return self.grpc or GRPC_STATUSES.get(self.status, "INVALID_ARGUMENT")


ROWS: Final[dict[str, Row]] = {
    # The request itself.
    "BAD_REQUEST": Row(400),
    "BODY_TOO_LARGE": Row(413),
    "URL_TOO_LONG": Row(414),
    "HEAD_TOO_LARGE": Row(431),
    "REQUEST_TIMEOUT": Row(408),
    "METHOD_NOT_ALLOWED": Row(405),
    "NOT_ACCEPTABLE": Row(406),
    "UNSUPPORTED_MEDIA_TYPE": Row(415),
    # The GraphQL document and its variables.
    "GRAPHQL_PARSE_FAILED": Row(400),
    "GRAPHQL_VALIDATION_FAILED": Row(400),
    "OPERATION_RESOLUTION_FAILURE": Row(400),
    "TOKEN_LIMIT": Row(400),
    "DEPTH_LIMIT": Row(400),
    "ALIAS_LIMIT": Row(400),
    "ROOT_FIELD_LIMIT": Row(400),
    "DIRECTIVE_LIMIT": Row(400),
    "MAX_RECURSIVE_SELECTIONS_EXCEEDED": Row(400),
    "NODE_LIMIT": Row(400),
    "COST_ESTIMATED_TOO_EXPENSIVE": Row(400),
    "INTROSPECTION_DISABLED": Row(400),
    "TOO_MANY_OPERATIONS": Row(429),
    # Persisted queries. The first two are 200: clients answer them by sending the text.
    "PERSISTED_QUERY_NOT_FOUND": Row(200),
    "PERSISTED_QUERY_NOT_SUPPORTED": Row(200),
    "PERSISTED_QUERY_NOT_IN_LIST": Row(400),
    "PERSISTED_QUERY_ID_REQUIRED": Row(400),
    "CANNOT_SEND_PQ_ID_AND_BODY": Row(400),
    "QUERY_NOT_IN_SAFELIST": Row(403),
    # The domain.
    "BAD_USER_INPUT": Row(422),
    "PAGE_SIZE": Row(422),
    "CURSOR_INVALID": Row(400, "OUT_OF_RANGE"),
    "IDEMPOTENCY_MISMATCH": Row(422),
    "ARCHIVE_INVALID": Row(422),
    "ARCHIVE_TOO_LARGE": Row(422),
    "IMAGE_INVALID": Row(422),
    "IMAGE_TOO_LARGE": Row(422),
    "REPLAY_GAP": Row(410),
    "UNAUTHENTICATED": Row(401),
    "FORBIDDEN": Row(403),
    "NOT_FOUND": Row(404),
    "CONFLICT": Row(409),
    "GONE": Row(410),
    "THROTTLED": Row(429),
    # Streams that end. The caller goes on from the cursor that comes with it.
    "SLOW_CONSUMER": Row(408, "ABORTED"),
    "GOING_AWAY": Row(503),
    # The server.
    "DEADLINE_EXCEEDED": Row(504, is_logged=True),
    "OVERLOADED": Row(503, is_logged=True),
    "UNAVAILABLE": Row(503, is_logged=True),
    INTERNAL: Row(500, is_logged=True),
}

RETRY_AFTER_S = {"OVERLOADED": 1, "UNAVAILABLE": 2}


class CloseCode:
    """Why the server closes a WebSocket."""

    GOING_AWAY = 1001
    UNEXPECTED = 1011
    TRY_AGAIN_LATER = 1013
    MALFORMED = 4400
    NOT_ACKNOWLEDGED = 4401
    REFUSED = 4403
    SUBPROTOCOL = 4406
    INIT_TIMEOUT = 4408
    ID_IN_USE = 4409
    SLOW_CONSUMER = 4410
    TOO_MANY_SOCKETS = 4413
    SECOND_INIT = 4429


class RequestError(Exception):
    """A request that a face refuses by itself, before any service is asked."""

    def __init__(
        self, code: str, message: str, *, headers: dict[str, str] | None = None, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.details = details or {}


@dataclass(frozen=True, slots=True)
class Problem:
    """An error ready for any wire."""

    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)  # keys in camelCase: field, retryAfter, errorId
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status where nothing but the problem is answered."""
        return ROWS[self.code].status


def problem_of(error: BaseException) -> Problem:
    """Return the problem that a caller sees. What was not meant is masked: its id is in the log, with all details."""
    if isinstance(error, RequestError):
        return Problem(error.code, error.message, error.details, error.headers)
    if not isinstance(error, FeedgraphError) or error.code not in ROWS:
        error_id = secrets.token_hex(8)
        log.error("unexpected_error", error_id=error_id, exc_info=error)
        return Problem(INTERNAL, INTERNAL_MESSAGE, {"errorId": error_id})
    details: dict[str, Any] = {}
    headers = {}
    if isinstance(error, InvalidInput) and error.field:
        details["field"] = error.field
    retry_after_s = error.retry_after_s if isinstance(error, Throttled) else RETRY_AFTER_S.get(error.code)
    if retry_after_s is not None:
        details["retryAfter"] = retry_after_s
        headers["Retry-After"] = str(retry_after_s)
    if ROWS[error.code].is_logged:
        log.warning("request_failed", code=error.code, cause=repr(error.__cause__))
    return Problem(error.code, error.message, details, headers)
